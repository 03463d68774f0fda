"""Which rows are for training, validation and test. No series, and no time of one, is in two parts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line
from gatelab.randomness import generator
from gatelab.tasks.series.column_roles import column_of
from gatelab.tasks.series.ordered_series import OrderedSeries, varying
from gatelab.tasks.series.series_keys import SeriesKeys
from gatelab.tasks.series.series_table import SeriesTable
from gatelab.tasks.sources.own_folder import PARTS, part_named, systematic

__all__ = ["Blocks", "split_of", "split_rows"]


Labels: TypeAlias = "NDArray[np.int64] | None"


@dataclass(frozen=True, eq=False)
class Blocks:
    """Consecutive rows of one series in one part.

    Attributes:
        starts, stops: (blocks,) rows, the stop left out.
        parts: (blocks,) places in ``PARTS``.
        notes: what there is to tell about them.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    parts: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def split_of(ordered: OrderedSeries, per: str) -> str:
    """Return the split that is taken where none is named."""
    if ordered.parts is not None:
        return "files"
    return "series" if per == "series" or len(ordered.names) >= 10 else "time"


def split_rows(ordered: OrderedSeries, keys: SeriesKeys, table: SeriesTable, labels: Labels) -> Blocks:
    """Return the blocks of the three parts.

    Args:
        ordered: all series.
        keys: of the task; ``split`` is filled in.
        table: for the names of its columns.
        labels: the class of each series, which all parts have in the same proportions; None if there is none.

    Raises:
        UserError: a part would be empty; the same series, or one group, would be in two parts.
    """
    split = str(keys.split)
    if split == "time":
        return _by_time(ordered, keys)
    if split == "files":
        if ordered.parts is None:
            raise UserError(
                f"task.split=files: {ordered.named} has no files for training and test, as train.csv and test.csv"
            )
        return _given(ordered, ordered.parts, keys, labels)
    if split == "series" and split not in table.columns:
        return _drawn(ordered, np.arange(len(ordered.names)), keys, labels)
    if split not in table.columns and split not in ordered.columns:
        column_of(table, split, "split")
    return _by_column(ordered, split, keys, labels)


def _by_column(ordered: OrderedSeries, name: str, keys: SeriesKeys, labels: Labels) -> Blocks:
    column = ordered.columns[name]
    if column.missing.any():
        raise UserError(f"task.split={one_line(name)}: the column has missing values")
    words = [str(word) for word in column.labels()]
    named = {word: part_named(word) for word in dict.fromkeys(words)}
    if (place := varying(ordered, name)) is not None:
        series = one_line(ordered.names[place])
        raise UserError(f"task.split={one_line(name)}: series '{series}' has several values: it would be on both sides")
    if all(part is not None for part in named.values()):
        return _given(ordered, np.array([named[word] for word in words], np.int64), keys, labels)
    places = {word: place for place, word in enumerate(named)}
    groups = np.array([places[words[start]] for start in ordered.starts], np.int64)
    return _drawn(ordered, groups, keys, labels)


def _given(ordered: OrderedSeries, rows: NDArray[np.int64], keys: SeriesKeys, labels: Labels) -> Blocks:
    """Return the parts that files or a column name; a validation that they lack is drawn from their training."""
    parts = rows[ordered.starts]
    notes: tuple[str, ...] = ()
    for place, start in enumerate(ordered.starts):
        if (rows[start : start + ordered.lengths[place]] != parts[place]).any():
            raise UserError(f"{ordered.named}: series '{one_line(ordered.names[place])}' is in two parts")
    if keys.duplicates == "refuse":
        _check_apart(ordered, parts)
    if (parts == 2).any() and not (parts == 1).any():
        training = np.flatnonzero(parts == 0)
        chosen = systematic(training, keys.validation_share, generator(keys.data_seed, "split", 1), labels)
        parts = parts.copy()
        parts[chosen] = 1
        notes = (f"there is no validation: {len(chosen)} of the {len(training)} series of training are drawn for it",)
    return _whole(ordered, parts, notes)


def _whole(ordered: OrderedSeries, parts: NDArray[np.int64], notes: tuple[str, ...]) -> Blocks:
    _check_filled(ordered, parts, "series", notes)
    return Blocks(ordered.starts, ordered.starts + ordered.lengths, parts, notes)


def _check_filled(ordered: OrderedSeries, parts: NDArray[np.int64], what: str, notes: tuple[str, ...] = ()) -> None:
    counts = np.bincount(parts, minlength=len(PARTS))
    if not counts.all():
        listed = ", ".join(f"{count} for {part}" for count, part in zip(counts, PARTS, strict=True))
        advice = "; task.split=time divides each in time" if what == "series" and len(ordered.names) < 4 else ""
        advice += "".join(f"; {note}" for note in notes)
        raise UserError(f"{ordered.named}: {listed} of {len(parts)} {what}; each part needs at least 1{advice}")


def _drawn(ordered: OrderedSeries, own: NDArray[np.int64], keys: SeriesKeys, labels: Labels) -> Blocks:
    """Return parts at random. Series of one group are in one part, and so are those of equal inputs."""
    groups = own if keys.duplicates == "keep" else _with_equal_ones(ordered, own)
    firsts = np.unique(groups, return_index=True)[1]
    by_group = np.zeros(int(groups.max()) + 1, np.int64)
    test = systematic(firsts, keys.test_share, generator(keys.data_seed, "split", 0), labels)
    rest = np.setdiff1d(firsts, test)
    share = keys.validation_share / (1 - keys.test_share)
    by_group[groups[test]] = 2
    by_group[groups[systematic(rest, share, generator(keys.data_seed, "split", 1), labels)]] = 1
    before = len(np.unique(own))
    notes = []
    if len(firsts) < before:
        notes = [
            f"some of the {before:,} series or groups have equal inputs: {len(firsts):,} remain to be drawn, so that "
            "equal ones are in one part; task.duplicates=keep draws each by itself"
        ]
    return _whole(ordered, by_group[groups], tuple(notes))


def _contents(ordered: OrderedSeries) -> list[bytes]:
    """Return a hash of the inputs of each series."""
    arrays = []
    for name in ordered.inputs:
        column = ordered.columns[name]
        if column.numbers is not None:
            arrays.append(column.numbers)
        else:
            places = {label: float(place) for place, label in enumerate(dict.fromkeys(column.labels()))}
            arrays.append(np.array([places[label] for label in column.labels()], np.float64))
    values = np.where(np.isnan(flat := np.stack(arrays, 1)), np.nan, flat)
    ends = ordered.starts + ordered.lengths
    return [
        hashlib.sha256(values[start:end].tobytes()).digest() for start, end in zip(ordered.starts, ends, strict=True)
    ]


def _with_equal_ones(ordered: OrderedSeries, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (series,) groups, those joined that have a series of equal inputs."""
    parent = list(range(int(groups.max()) + 1))

    def top(group: int) -> int:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    first: dict[bytes, int] = {}
    for content, group in zip(_contents(ordered), groups.tolist(), strict=True):
        parent[top(group)] = top(first.setdefault(content, group))
    return np.array([top(group) for group in groups.tolist()], np.int64)


def _check_apart(ordered: OrderedSeries, parts: NDArray[np.int64]) -> None:
    seen: dict[bytes, int] = {}
    for place, content in enumerate(_contents(ordered)):
        other = seen.setdefault(content, place)
        if parts[other] != parts[place]:
            one, two = (f"'{one_line(ordered.names[each])}' ({PARTS[parts[each]]})" for each in (other, place))
            raise UserError(
                f"{ordered.named}: series {one} and {two} have the same inputs; task.duplicates=keep allows it"
            )


def _by_time(ordered: OrderedSeries, keys: SeriesKeys) -> Blocks:
    """Return blocks of each series: first training, then validation, then test.

    With one target for each series, whole series in the order in which they begin.
    """
    if keys.per == "series":
        if keys.time is None:
            raise UserError("task.split=time: needs task.time, the column by which series are put in order")
        order = np.argsort(ordered.time[ordered.starts], kind="stable")
        parts = np.zeros(len(order), np.int64)
        first, second = _cuts(len(order), keys)
        parts[order[first:second]], parts[order[second:]] = 1, 2
        return _whole(ordered, parts, ())
    rows: NDArray[np.int64] = np.zeros(len(ordered.time), np.int64)
    if keys.time is not None:  # the same times for all series: none sees what another will be
        times = np.sort(ordered.time)
        first, second = _cuts(len(times), keys)
        rows[ordered.time >= times[first]] = 1
        rows[ordered.time >= times[min(second, len(times) - 1)]] = 2
    else:
        for start, length in zip(ordered.starts, ordered.lengths, strict=True):
            first, second = _cuts(int(length), keys)
            rows[start + first : start + length], rows[start + second : start + length] = 1, 2
    edges = np.flatnonzero((np.diff(rows) != 0) | (np.diff(ordered.of_row) != 0)) + 1
    starts = np.concatenate([[0], edges]).astype(np.int64)
    stops = np.concatenate([edges, [len(rows)]]).astype(np.int64)
    _check_filled(ordered, rows[starts], "blocks of time")
    return Blocks(starts, stops, rows[starts])


def _cuts(count: int, keys: SeriesKeys) -> tuple[int, int]:
    """Return where validation and test begin."""
    test = round(count * (1 - keys.test_share))
    return round(count * (1 - keys.test_share - keys.validation_share)), test
