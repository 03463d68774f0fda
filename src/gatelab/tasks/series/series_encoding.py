"""Columns as numbers for a network: scaled, one-hot, masked. What is fitted is fitted on rows of training alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line
from gatelab.tasks.series.ordered_series import OrderedSeries
from gatelab.tasks.series.series_keys import Encoding, Fitted, SeriesKeys
from gatelab.tasks.series.series_table import TableColumn

__all__ = ["check_fitted", "columns_beside", "encoded_inputs", "encoded_targets", "feature_names", "fit_encodings"]

_MOST_WORDS = 1_000
_MOST_TOKENS = 50_000
_SAME = 1e-9  # relative: sums in another order


def fit_encodings(
    ordered: OrderedSeries, keys: SeriesKeys, training: NDArray[np.bool_], targets: Sequence[str]
) -> Fitted:
    """Return what the training part says about scales, words and classes.

    Args:
        ordered: all series.
        keys: of the task, filled in.
        training: (rows,) whether a row is of the training part.
        targets: the columns of the targets.

    Raises:
        UserError: a value is infinite, or a column has too many words.
    """
    inputs = tuple(_fitted(ordered, ordered.columns[name], keys, training) for name in ordered.inputs)
    if keys.goal == "classes":
        (target,) = targets
        fitted = Fitted(inputs=inputs, targets=(), classes=_classes(ordered.columns[target]))
    else:
        numbers = tuple(_fitted(ordered, _as_numbers(ordered, name), keys, training) for name in targets)
        fitted = Fitted(inputs=inputs, targets=numbers)
    interval = unseen = None
    training = training.copy()
    training[ordered.starts] = False  # no step is before these
    if keys.intervals:
        interval = _scaled("interval", _intervals(ordered)[training], keys.scale, ordered.named)
    if interval is not None and keys.intervals == "dt":
        interval = interval.model_copy(update={"shift": 0.0, "scale": interval.mean if interval.mean > 0 else 1.0})
    if keys.missing == "interval":
        seen = np.concatenate([_unseen(ordered, ordered.columns[name])[training] for name in ordered.inputs])
        unseen = _scaled("time since a value was last seen", seen, keys.scale, ordered.named)
    return fitted.model_copy(update={"interval": interval, "unseen": unseen})


def check_fitted(given: Fitted, found: Fitted, named: str) -> Fitted:
    """Return what a run has stored, if it is what the data give; refuse it otherwise."""
    pairs = [*zip(given.inputs, found.inputs, strict=False), *zip(given.targets, found.targets, strict=False)]
    same = len(given.inputs) == len(found.inputs) and given.classes == found.classes
    for one, two in pairs:
        close = np.allclose((one.shift, one.scale), (two.shift, two.scale), rtol=_SAME, atol=_SAME * two.scale)
        same = same and close and (one.column, one.words) == (two.column, two.words)
    if not same:
        raise UserError(f"task.fitted: is not what the training part of {named} gives; it must be left out")
    return given


def encoded_inputs(ordered: OrderedSeries, keys: SeriesKeys, fitted: Fitted) -> NDArray[np.float32 | np.int64]:
    """Return (rows, features) float32, or (rows,) int64 tokens.

    Raises:
        UserError: a value is missing, and no key says what stands for it.
    """
    columns = [ordered.columns[name] for name in ordered.inputs]
    if keys.missing is None:
        _check_complete(ordered, columns)
    if keys.categories == "tokens":
        return _tokens(columns, fitted)
    parts = [_features(ordered, c, e, keys) for c, e in zip(columns, fitted.inputs, strict=True)]
    if keys.missing in ("mask", "interval"):
        parts += [(~column.missing)[:, None].astype(np.float64) for column in columns]
    if fitted.unseen is not None:
        parts += [_apply(_unseen(ordered, column), fitted.unseen)[:, None] for column in columns]
    if fitted.interval is not None and keys.intervals is True:
        parts.append(_apply(_intervals(ordered), fitted.interval)[:, None])
    with np.errstate(over="ignore"):
        features = np.concatenate(parts, 1).astype(np.float32)
    if not np.isfinite(features).all():
        raise UserError(f"{ordered.named}: some inputs are too large for float32; task.scale=standard makes them small")
    return features


def feature_names(ordered: OrderedSeries, keys: SeriesKeys, fitted: Fitted) -> list[str]:
    """Return the name of each feature of :func:`encoded_inputs`."""
    names: list[str] = []
    for encoding in fitted.inputs:
        names += [f"{encoding.column}={word}" for word in encoding.words] or [encoding.column]
    if keys.missing in ("mask", "interval"):
        names += [f"{name} is there" for name in ordered.inputs]
    if fitted.unseen is not None:
        names += [f"time since {name}" for name in ordered.inputs]
    return [*names, "interval"] if fitted.interval is not None and keys.intervals is True else names


def columns_beside(ordered: OrderedSeries, keys: SeriesKeys, fitted: Fitted) -> NDArray[np.float32]:
    """Return (rows, columns) of what equations read beside the features: ``mask``, then ``dt``, as the keys ask."""
    parts = [np.zeros((len(ordered.time), 0))]
    if keys.missing == "observed":
        parts += [
            np.repeat((~ordered.columns[one.column].missing)[:, None], len(one.words) or 1, 1) for one in fitted.inputs
        ]
    if keys.intervals == "dt" and fitted.interval is not None:
        parts.append(_apply(_intervals(ordered), fitted.interval)[:, None])
    return np.concatenate(parts, 1).astype(np.float32)


def encoded_targets(
    ordered: OrderedSeries, keys: SeriesKeys, fitted: Fitted, targets: Sequence[str]
) -> tuple[NDArray[np.float32 | np.int64], NDArray[np.bool_]]:
    """Return (rows,) int64 classes or (rows, targets) float32 numbers, and (rows,) whether all are there."""
    if keys.goal == "classes":
        labels = ordered.columns[targets[0]].labels()
        places = {word: place for place, word in enumerate(fitted.classes)}
        there = ~ordered.columns[targets[0]].missing
        return np.array([places.get(label, 0) for label in labels], np.int64), there
    columns = [_as_numbers(ordered, name) for name in targets]
    missing: NDArray[np.bool_] = np.any(np.stack([column.missing for column in columns], 1), axis=1)
    values = [_apply(_numbers(column), e) for column, e in zip(columns, fitted.targets, strict=True)]
    with np.errstate(over="ignore"):
        found = np.where(missing[:, None], 0, np.stack(values, 1)).astype(np.float32)
    if not np.isfinite(found).all():
        raise UserError(
            f"{ordered.named}: some targets are too large for float32; task.scale=standard makes them small"
        )
    return found, ~missing


def _numbers(column: TableColumn) -> NDArray[np.float64]:
    assert column.numbers is not None
    return column.numbers


def _as_numbers(ordered: OrderedSeries, name: str) -> TableColumn:
    column = ordered.columns[name]
    if column.kind != "number":
        reason = column.doubt or f"its values are {'times' if column.kind == 'time' else 'text'}"
        raise UserError(f"task.target={one_line(name)}: must be numbers, but {reason}")
    if np.isinf(_numbers(column)).any():
        raise UserError(f"{ordered.named}: column '{one_line(name)}' has an infinite value")
    return column


def _fitted(ordered: OrderedSeries, column: TableColumn, keys: SeriesKeys, training: NDArray[np.bool_]) -> Encoding:
    if column.numbers is not None:
        return _scaled(column.name, column.numbers[training], keys.scale, ordered.named)
    if column.doubt:
        raise UserError(f"{ordered.named}: column '{one_line(column.name)}', {column.doubt}")
    words = tuple(sorted({text for text in column.labels()[training] if text is not None}))
    most = _MOST_TOKENS if keys.categories == "tokens" else _MOST_WORDS
    if len(words) > most:
        raise UserError(
            f"{ordered.named}: column '{one_line(column.name)}' has {len(words):,} words; at most {most:,} as an input"
        )
    return Encoding(column=column.name, words=words)


def _scaled(name: str, values: NDArray[np.float64], how: str, named: str) -> Encoding:
    there = values[~np.isnan(values)]
    if np.isinf(there).any():
        raise UserError(f"{named}: column '{one_line(name)}' has an infinite value")
    if not there.size:
        return Encoding(column=name)
    with np.errstate(over="ignore", invalid="ignore"):
        low, high, mean = float(there.min()), float(there.max()), float(there.mean())
        usual = {"standard": (mean, float(there.std())), "range": (low, high - low), "none": (0.0, 1.0)}
    shift, scale = usual[how]
    if not np.isfinite([mean, shift, scale]).all():
        raise UserError(f"{named}: column '{one_line(name)}' is too large to be scaled, up to {high:g}")
    return Encoding(column=name, mean=mean, shift=shift, scale=scale if high > low and scale > 0 else 1.0)


def _apply(values: NDArray[np.float64], encoding: Encoding) -> NDArray[np.float64]:
    return (values - encoding.shift) / encoding.scale


def _features(ordered: OrderedSeries, column: TableColumn, encoding: Encoding, keys: SeriesKeys) -> NDArray[np.float64]:
    """Return (rows, 1) numbers, or (rows, words) ones and zeros."""
    if column.numbers is None:
        places = {word: place for place, word in enumerate(encoding.words)}
        chosen = np.array([places.get(label, len(places)) for label in column.labels()], np.int64)
        if keys.missing == "last":
            chosen = chosen[_last_seen(ordered, column)]
        return np.eye(len(places) + 1, len(places))[chosen]
    if np.isinf(column.numbers).any():
        raise UserError(f"{ordered.named}: column '{one_line(column.name)}' has an infinite value")
    scaled = _apply(column.numbers, encoding)
    if keys.missing == "last":
        scaled = scaled[_last_seen(ordered, column)]
    if column.missing.any():
        mean = (encoding.mean - encoding.shift) / encoding.scale
        scaled = np.where(np.isnan(scaled), mean, scaled)
    return scaled[:, None]


def _last_seen(ordered: OrderedSeries, column: TableColumn) -> NDArray[np.int64]:
    """Return (rows,) the last row of the series, up to this one, with a value; its first row if there is none."""
    rows = np.arange(len(ordered.time))
    firsts = np.repeat(ordered.starts, ordered.lengths)
    return np.maximum.accumulate(np.where(column.missing, firsts, rows))


def _unseen(ordered: OrderedSeries, column: TableColumn) -> NDArray[np.float64]:
    """Return (rows,) the interval of GRU-D: s_t - s_{t-1} + (1 - m_{t-1}) of the step before; 0 at the first step."""
    seen = _last_seen(ordered, column)
    before = np.concatenate([[0], seen[:-1]])
    before[ordered.starts] = ordered.starts
    return ordered.time - ordered.time[before]


def _intervals(ordered: OrderedSeries) -> NDArray[np.float64]:
    found = np.diff(ordered.time, prepend=ordered.time[:1])
    found[ordered.starts] = 0.0
    return found


def _classes(column: TableColumn) -> tuple[str, ...]:
    """Return the classes in the order of numbers, or of words."""
    if column.numbers is not None and column.kind == "number":
        values = np.unique(column.numbers[~column.missing])
        words = TableColumn(column.name, "number", values, None).labels()
    else:
        words = np.array(sorted({label for label in column.labels() if label is not None}), np.object_)
    if len(words) > _MOST_WORDS:
        raise UserError(f"task.target={one_line(column.name)}: {len(words):,} classes; at most {_MOST_WORDS:,}")
    if len(words) < 2:
        raise UserError(
            f"task.target={one_line(column.name)}: is the same everywhere; there must be two classes or more"
        )
    return tuple(words.tolist())


def _check_complete(ordered: OrderedSeries, columns: Sequence[TableColumn]) -> None:
    found = {column.name: int(column.missing.sum()) for column in columns if column.missing.any()}
    if found:
        listed = ", ".join(f"{count:,} of '{one_line(name, 30)}'" for name, count in list(found.items())[:3])
        more = f" and of {len(found) - 3} more columns" if len(found) > 3 else ""
        raise UserError(
            f"{ordered.named}: inputs are missing: {listed}{more}; task.missing=mean, last, mask or interval says what "
            "stands for them"
        )


def _tokens(columns: Sequence[TableColumn], fitted: Fitted) -> NDArray[np.int64]:
    """Return (rows,) the place of each word from 1; 0 for one that training has not, or that is missing."""
    if len(columns) != 1 or columns[0].numbers is not None:
        raise UserError(
            f"task.categories=tokens: needs one input, of words; this task has {len(columns)}: "
            f"{', '.join(one_line(column.name, 30) for column in columns[:5])}; one_hot takes them together"
        )
    places = {word: place for place, word in enumerate(fitted.inputs[0].words, 1)}
    return np.array([places.get(label, 0) for label in columns[0].labels()], np.int64)
