"""From a table and the keys of a task to the batches of its three parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line
from gatelab.tasks.series.column_roles import ColumnRoles, are_classes, find_roles, not_used
from gatelab.tasks.series.leakage import check_inputs
from gatelab.tasks.series.ordered_series import OrderedSeries, in_order, varying
from gatelab.tasks.series.series_encoding import (
    check_fitted,
    columns_beside,
    encoded_inputs,
    encoded_targets,
    fit_encodings,
)
from gatelab.tasks.series.series_keys import Fitted, SeriesKeys
from gatelab.tasks.series.series_split import Blocks, split_of, split_rows
from gatelab.tasks.series.series_table import SeriesTable
from gatelab.tasks.series.table_files import read_table
from gatelab.tasks.sources.byte_arrays import Splits
from gatelab.tasks.sources.fetch import check_content
from gatelab.tasks.sources.own_folder import PARTS
from gatelab.tasks.sources.usual_names import FileState, state_of
from gatelab.tasks.task import Batch

__all__ = ["SeriesData", "Understood", "data_of", "table_of", "understood"]

MOST_BYTES = 2**31
"""The most memory that the three parts together may take."""

_PIECES = 64  # of training, that a length which nobody has given leaves
_SHORTEST, _LONGEST = 5, 100  # steps of it


@dataclass(frozen=True, eq=False)
class Understood:
    """A table with every question answered.

    Attributes:
        table: as it was read.
        roles: of its columns.
        ordered: its series.
        keys: those of the task, each filled in but ``fitted``.
        blocks: the parts.
        notes: what was assumed or left out, one sentence each.
    """

    table: SeriesTable
    roles: ColumnRoles
    ordered: OrderedSeries
    keys: SeriesKeys
    blocks: Blocks
    notes: tuple[str, ...]


class SeriesData(NamedTuple):
    """Everything that a task needs."""

    fitted: Fitted
    splits: Splits
    last: NDArray[np.float32] | None
    """Of a forecast: the targets (time, batch, targets) of test at the step of the input, NaN where missing."""
    features: int
    notes: tuple[str, ...]


@lru_cache(maxsize=2)
def _table(path: str, state: FileState) -> SeriesTable:  # noqa: ARG001 - a file that changes is read anew
    return read_table(path)


def table_of(keys: SeriesKeys) -> SeriesTable:
    """Return the table that ``path`` names, read once while its files stay as they are."""
    if keys.path is None:
        raise UserError("task.path=null: must name a table of series: a file, a folder, or a data set of Hugging Face")
    return _table(keys.path, state_of(keys.path))


def understood(keys: SeriesKeys) -> Understood:
    """Return the table with the roles of its columns, its series and its parts.

    Raises:
        UserError: in one line, if the table cannot be read or the keys do not fit it.
    """
    table_of(keys)
    return _understood(keys.model_copy(update={"fitted": None}), state_of(keys.path))


@lru_cache(maxsize=2)
def _understood(keys: SeriesKeys, state: FileState) -> Understood:  # noqa: ARG001
    table = table_of(keys)
    found = table.sha256()
    check_content("path", keys.path, keys.sha256, found)
    roles = find_roles(table, keys)
    ordered = in_order(table, roles)
    filled = _filled(keys, roles, ordered, found)
    told = (*not_used(table, roles, keys), *check_inputs(ordered, filled, named=keys.inputs is not None))
    labels = _labels(ordered, filled)
    if filled.per == "series":
        ordered, labels, dropped = _with_target(ordered, filled, labels)
    else:
        dropped = ()
    blocks = split_rows(ordered, filled, table, labels)
    if filled.per == "step":
        filled = filled.model_copy(update={"length": filled.length or _length(blocks)})
    return Understood(table, roles, ordered, filled, blocks, (*table.notes, *told, *dropped, *blocks.notes))


def _filled(keys: SeriesKeys, roles: ColumnRoles, ordered: OrderedSeries, sha256: str) -> SeriesKeys:
    """Return the keys with what the data decide."""
    targets = [ordered.columns[name] for name in roles.target]
    classes = len(targets) == 1 and are_classes(targets[0])
    goal = "forecast" if keys.horizon else keys.goal or ("classes" if classes else "numbers")
    if goal == "classes" and len(targets) > 1:
        raise UserError(f"task.target={', '.join(map(one_line, roles.target))}: goal=classes needs a single target")
    per = "step" if goal == "forecast" else keys.per
    changing = next((name for name in roles.target if varying(ordered, name) is not None), None)
    if per is None:
        per = "step" if changing or len(ordered.names) == 1 or keys.length is not None else "series"
    if per == "series" and changing is not None:
        series = ordered.names[varying(ordered, changing) or 0]
        raise UserError(f"task.per=series: target '{one_line(changing)}' changes within series '{one_line(series)}'")
    answers = {
        "sha256": sha256,
        "form": roles.form,
        "inputs": roles.inputs,
        "target": roles.target,
        "series": roles.series,
        "time": roles.time,
        "goal": goal,
        "per": per,
        "split": keys.split or split_of(ordered, per),
    }
    return keys.model_copy(update=answers)


def _labels(ordered: OrderedSeries, keys: SeriesKeys) -> NDArray[np.int64] | None:
    """Return (series,) the class of each; None where there is not one for each."""
    if keys.goal != "classes" or keys.per != "series":
        return None
    (name,) = keys.target or ()
    words = ordered.columns[name].labels()[ordered.starts]
    return np.unique(np.array([str(word) for word in words]), return_inverse=True)[1].astype(np.int64)


def _with_target(
    ordered: OrderedSeries, keys: SeriesKeys, labels: NDArray[np.int64] | None
) -> tuple[OrderedSeries, NDArray[np.int64] | None, tuple[str, ...]]:
    """Leave out the series that have no target."""
    absent = np.stack([ordered.columns[name].missing[ordered.starts] for name in keys.target or ()])
    missing: NDArray[np.bool_] = np.any(absent, axis=0)
    if not missing.any():
        return ordered, labels, ()
    if missing.all():
        raise UserError(f"{ordered.named}: no series has a target")
    kept = ~missing
    rows = np.flatnonzero(np.repeat(kept, ordered.lengths))
    lengths = ordered.lengths[kept]
    rest = replace(
        ordered,
        columns={name: column.rows(rows) for name, column in ordered.columns.items()},
        starts=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        lengths=lengths,
        names=tuple(name for name, keep in zip(ordered.names, kept, strict=True) if keep),
        time=ordered.time[rows],
        parts=None if ordered.parts is None else ordered.parts[rows],
    )
    note = f"{int(missing.sum()):,} of {len(missing):,} series have no target and are left out"
    return rest, None if labels is None else labels[kept], (note,)


def _length(blocks: Blocks) -> int:
    """Return the steps of a piece where nobody has given them: those of the longest series, if there are enough."""
    lengths = blocks.stops - blocks.starts
    training = lengths[blocks.parts == 0]
    if len(training) >= _PIECES:
        return int(lengths.max())
    return int(np.clip(training.sum() // _PIECES, _SHORTEST, _LONGEST))


def data_of(keys: SeriesKeys) -> SeriesData:
    """Return the batches of a task. Raises :class:`UserError` as :func:`understood`, and if they are too large."""
    return _data(keys, state_of(keys.path))


@lru_cache(maxsize=2)
def _data(keys: SeriesKeys, state: FileState) -> SeriesData:  # noqa: ARG001
    known = understood(keys)
    ordered, filled, targets = known.ordered, known.keys, known.keys.target or ()
    training = np.zeros(len(ordered.time), np.bool_)
    for start, stop, part in zip(known.blocks.starts, known.blocks.stops, known.blocks.parts, strict=True):
        training[start:stop] = part == 0
    fitted = fit_encodings(ordered, filled, training, targets)
    if keys.fitted is not None:
        fitted = check_fitted(keys.fitted, fitted, ordered.named)
    inputs = encoded_inputs(ordered, filled, fitted)
    features = inputs.shape[1] if inputs.ndim == 2 else len(fitted.inputs[0].words) + 1
    if inputs.ndim == 2:
        inputs = np.concatenate([inputs, columns_beside(ordered, filled, fitted)], 1)
    values, there = encoded_targets(ordered, filled, fitted, targets)
    weights = np.where(there, _weights(known), 0).astype(np.float32)
    rows = _Rows(inputs, values, weights)
    pieces = _pieces(known)
    _check_size(pieces, rows, filled)
    batches = [_batch(rows, filled, pieces[part]) for part in range(len(PARTS))]
    _check_targets(batches, ordered.named)
    last = None
    if filled.goal == "forecast":
        last = _padded(np.where(there[:, None], values, np.nan), pieces[2], int(batches[2].lengths.max()))
    return SeriesData(fitted, Splits(*batches), last, features, (*known.notes, *_unseen_classes(batches[0], fitted)))


class _Rows(NamedTuple):
    inputs: NDArray[Any]
    values: NDArray[Any]
    weights: NDArray[np.float32]


def _weights(known: Understood) -> NDArray[np.float64]:
    name = known.roles.weight
    if name is None:
        return np.ones(len(known.ordered.time))
    column = known.ordered.columns[name]
    if column.kind != "number" or column.numbers is None:
        raise UserError(f"task.weight={one_line(name)}: must be numbers")
    if not (np.isfinite(column.numbers).all() and (column.numbers >= 0).all()):
        raise UserError(f"task.weight={one_line(name)}: must be 0 or more in every row")
    if known.keys.per == "series" and (place := varying(known.ordered, name)) is not None:
        raise UserError(f"task.weight={one_line(name)}: changes within series '{one_line(known.ordered.names[place])}'")
    return column.numbers


def _pieces(known: Understood) -> list[NDArray[np.int64]]:
    """Return for each part (pieces, 2) the first row of the inputs of each, and how many."""
    ahead, length = known.keys.horizon or 0, known.keys.length
    found: list[list[tuple[int, int]]] = [[] for _ in PARTS]
    for start, stop, part in zip(known.blocks.starts, known.blocks.stops, known.blocks.parts, strict=True):
        steps = int(stop - start) - ahead
        whole = length if known.keys.per == "step" and length else max(steps, 1)
        found[part] += [(int(start) + at, min(whole, steps - at)) for at in range(0, steps, whole)]
    for part, pieces in zip(PARTS, found, strict=True):
        if not pieces:
            raise UserError(
                f"{known.ordered.named}: nothing is left for {part}: none of it is longer than horizon={ahead} steps"
            )
    return [np.array(pieces, np.int64).reshape(-1, 2) for pieces in found]


def _check_size(pieces: Sequence[NDArray[np.int64]], rows: _Rows, keys: SeriesKeys) -> None:
    width = int(np.prod(rows.inputs.shape[1:])) + int(np.prod(rows.values.shape[1:])) * (keys.horizon or 1) + 3
    size = sum(len(part) * int(part[:, 1].max()) * width * 4 for part in pieces)
    if size > MOST_BYTES:
        advice = "; a smaller task.length needs less" if keys.per == "step" else ""
        raise UserError(
            f"task.path={keys.path}: would take {size / 2**30:.1f} GB of memory, padded to the longest; at most "
            f"{MOST_BYTES / 2**30:.0f}{advice}"
        )


def _padded(rows: NDArray[Any], pieces: NDArray[np.int64], longest: int, ahead: int = 0) -> NDArray[Any]:
    """Return (time, pieces, …) the rows of some pieces, zero after the end of each."""
    steps = np.arange(longest)[:, None]
    valid = steps < pieces[:, 1]
    found = rows[np.where(valid, pieces[:, 0] + steps + ahead, 0)]
    found[~valid] = 0
    return np.ascontiguousarray(found)


def _batch(rows: _Rows, keys: SeriesKeys, pieces: NDArray[np.int64]) -> Batch:
    longest, lengths = int(pieces[:, 1].max()), np.ascontiguousarray(pieces[:, 1])
    inputs = _padded(rows.inputs, pieces, longest)
    if keys.per == "series":
        firsts = pieces[:, 0]
        weights = rows.weights[firsts]
        return Batch(inputs, lengths, rows.values[firsts], weights, weights.copy())
    if keys.goal != "forecast":
        weights = _padded(rows.weights, pieces, longest)
        return Batch(inputs, lengths, _padded(rows.values, pieces, longest), weights, weights.copy())
    ahead = range(1, (keys.horizon or 1) + 1)
    targets = np.concatenate([_padded(rows.values, pieces, longest, step) for step in ahead], -1)
    weights = np.min([_padded(rows.weights, pieces, longest, step) for step in ahead], 0)
    return Batch(inputs, lengths, targets, weights, weights.copy())


def _check_targets(batches: Sequence[Batch], named: str) -> None:
    for part, batch in zip(PARTS, batches, strict=True):
        if not batch.loss_weights.any():
            raise UserError(f"{named}: {part} has no target at all, or all its weights are 0")


def _unseen_classes(training: Batch, fitted: Fitted) -> tuple[str, ...]:
    if not fitted.classes:
        return ()
    seen = set(np.unique(training.targets[training.loss_weights > 0]).tolist())
    absent = [one_line(word, 20) for place, word in enumerate(fitted.classes) if place not in seen]
    return (f"not in training: class {', '.join(absent[:5])}",) if absent else ()
