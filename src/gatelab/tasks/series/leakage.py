"""Inputs that tell the target: a copy of it, or its classes under other names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line
from gatelab.tasks.series.ordered_series import OrderedSeries
from gatelab.tasks.series.series_keys import SeriesKeys
from gatelab.tasks.series.series_table import TableColumn

__all__ = ["check_inputs"]

_FIRST = 10_000  # rows that tell most columns apart
_MOST_VALUES = 1_000


def check_inputs(ordered: OrderedSeries, filled: SeriesKeys, *, named: bool) -> tuple[str, ...]:
    """Return a note on an input that tells the target in its own row.

    Args:
        ordered: all series.
        filled: the keys of the task, filled in.
        named: whether the user has named the inputs.

    Raises:
        UserError: there is one, and the inputs were guessed.
    """
    if filled.goal == "forecast":
        return ()
    cases = len(ordered.names if filled.per == "series" else ordered.time)
    classes = filled.goal == "classes"
    found = [
        f"input '{one_line(name)}' tells target '{one_line(target)}': each value stands beside one of the target"
        for target in filled.target or ()
        for name in ordered.inputs
        if (_renamed if classes else _copied)(ordered.columns[name], ordered.columns[target], cases)
    ]
    if found and not named:
        raise UserError(f"{ordered.named}: {found[0]}; task.inputs=[…] names the inputs that are meant")
    return tuple(found)


def _copied(column: TableColumn, target: TableColumn, cases: int) -> bool:
    """Return whether two columns hold the same numbers, of which there are some that differ."""
    one, two = column.numbers, target.numbers
    if one is None or two is None or not np.array_equal(one, two, equal_nan=True):
        return False
    return len(np.unique(two[~np.isnan(two)])) > 1 and cases > 2


def _renamed(column: TableColumn, target: TableColumn, cases: int) -> bool:
    """Return whether each value stands beside one class, and each class beside one value."""
    rows = len(target.missing)
    first = _one_to_one(column, target, min(rows, _FIRST), cases)
    return first and (rows <= _FIRST or _one_to_one(column, target, rows, cases))


def _one_to_one(column: TableColumn, target: TableColumn, rows: int, cases: int) -> bool:
    first = np.arange(rows)
    one, two = (_places(each.rows(first)) for each in (column, target))
    there = (one >= 0) & (two >= 0)
    counts = [len(np.unique(places)) for places in (one[there], two[there])]
    # where hardly a class is there twice, it stands beside one value anyway
    if counts[0] != counts[1] or not 2 <= counts[0] <= min(_MOST_VALUES, cases // 2):
        return False
    pairs: NDArray[np.int64] = one[there] * (int(two.max()) + 1) + two[there]
    return len(np.unique(pairs)) == counts[0]


def _places(column: TableColumn) -> NDArray[np.int64]:
    """Return (rows,) the number of each value, -1 where it is missing."""
    if column.numbers is not None:
        return np.where(column.missing, -1, np.unique(column.numbers, return_inverse=True)[1]).astype(np.int64)
    known: dict[str | None, int] = {None: -1}
    return np.array([known.setdefault(label, len(known)) for label in column.labels()], np.int64)
