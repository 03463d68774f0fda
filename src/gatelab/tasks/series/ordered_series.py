"""The rows of a table as series: one after the other, each in the order of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line
from gatelab.tasks.series.column_roles import ColumnRoles
from gatelab.tasks.series.series_table import SeriesTable, TableColumn, column_of_numbers

__all__ = ["OrderedSeries", "in_order", "varying"]


@dataclass(frozen=True, eq=False)
class OrderedSeries:
    """All series, one below the other.

    Attributes:
        named: what errors call the source.
        columns: name -> column, its rows in order.
        starts: (series,) the first row of each.
        lengths: (series,) rows of each.
        names: (series,) as the file calls them; their numbers from 1 otherwise.
        time: (rows,) the time of each row: of the column, otherwise 0, 1, 2, … in each series.
        parts: (rows,) the place in ``PARTS`` of each row, where files say it.
        inputs: names of the columns that are inputs: those of the table, or of the channels of a wide one.
    """

    named: str
    columns: Mapping[str, TableColumn]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    names: tuple[str, ...]
    time: NDArray[np.float64]
    parts: NDArray[np.int64] | None
    inputs: tuple[str, ...]

    @property
    def of_row(self) -> NDArray[np.int64]:
        """(rows,) the place of the series of each row."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def in_order(table: SeriesTable, roles: ColumnRoles) -> OrderedSeries:
    """Return the rows of each series together, by time if a column has it, otherwise in the order of the file.

    Raises:
        UserError: a series or a time is missing; a time is there twice in a series; a row of a wide table is empty.
    """
    inputs = roles.inputs
    if roles.form == "wide":
        _check_apart(table, roles.series)
        table, inputs = _unfolded(table, roles), tuple(name for name, _ in roles.channels)
    numbers, names = _numbered(table, roles.series)
    time = _times(table, roles.time)
    order = np.lexsort((time, numbers)) if time is not None else np.argsort(numbers, kind="stable")
    lengths = np.bincount(numbers, minlength=len(names))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    if time is None:
        ordered = np.concatenate([np.arange(length) for length in lengths]).astype(np.float64)
    else:
        ordered = time[order]
        again = np.flatnonzero((np.diff(ordered) == 0) & (np.diff(numbers[order]) == 0))
        if again.size:
            name, row = names[numbers[order][again[0]]], int(order[again[0] + 1])
            twice = one_line(table.columns[str(roles.time)].labels()[row])
            raise UserError(
                f"{table.named}: series '{one_line(name)}' has time {twice} twice, the second in row {row + 1}; "
                "task.series must name the column that tells them apart"
            )
    return OrderedSeries(
        table.named,
        {name: column.rows(order) for name, column in table.columns.items()},
        starts,
        lengths.astype(np.int64),
        names,
        ordered,
        None if table.parts is None else table.parts[order],
        inputs,
    )


def _check_apart(table: SeriesTable, series: str | None) -> None:
    """Refuse a series that has two rows of a wide table."""
    seen: set[str] = set()
    for row, label in enumerate(table.columns[series].labels() if series is not None else (), 1):
        if label in seen:
            raise UserError(
                f"{table.named}, row {row}: series '{one_line(label)}' is there twice; with task.form=wide a row is a "
                "series, with task.form=long a step"
            )
        seen.add(label)


def _numbered(table: SeriesTable, series: str | None) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return (rows,) the number of the series of each row, in the order in which they begin, and their names."""
    if series is None:
        # rows that nothing tells apart are one series, of each part if files say it
        numbers = table.series if table.series is not None else np.zeros(table.size, np.int64)
        if table.series is None and table.parts is not None:
            numbers = np.unique(table.parts, return_inverse=True)[1].astype(np.int64)
        return numbers, tuple(str(number) for number in range(1, int(numbers.max(initial=0)) + 2))
    labels = table.columns[series].labels()
    if (missing := np.flatnonzero(table.columns[series].missing)).size:
        raise UserError(f"{table.named}, row {missing[0] + 1}: column '{one_line(series)}' says no series")
    places: dict[str, int] = {}
    numbers = np.array([places.setdefault(str(label), len(places)) for label in labels], np.int64)
    return numbers, tuple(places)


def _times(table: SeriesTable, name: str | None) -> NDArray[np.float64] | None:
    if name is None:
        return None
    column = table.columns[name]
    if column.numbers is None:
        odd = next((text for text in column.labels() if text is not None), "")
        raise UserError(
            f"task.time={one_line(name)}: '{one_line(odd, 40)}' is no time; must be numbers, or as 2026-11-29T08:30"
        )
    if (missing := np.flatnonzero(column.missing)).size:
        raise UserError(f"{table.named}, row {missing[0] + 1}: column '{one_line(name)}' has no time")
    return column.numbers


def _unfolded(table: SeriesTable, roles: ColumnRoles) -> SeriesTable:
    """Return a wide table as a long one; steps after the last value of a row are left out, as padding."""
    for name in (step for _, steps in roles.channels for step in steps):
        if table.columns[name].numbers is None:
            raise UserError(f"task.inputs: column '{one_line(name)}' is a step of a wide table, and must be numbers")
    values = np.stack(
        [np.stack([table.columns[step].numbers for step in steps], 1) for _, steps in roles.channels],  # type: ignore[misc]
        -1,
    )
    there: NDArray[np.bool_] = ~np.all(np.isnan(values), axis=-1)
    lengths = np.where(there.any(axis=1), there.shape[1] - np.argmax(there[:, ::-1], 1), 0)
    if (empty := np.flatnonzero(lengths == 0)).size:
        raise UserError(f"{table.named}, row {empty[0] + 1}: has no value at any step")
    valid = np.arange(there.shape[1]) < lengths[:, None]
    rows = np.repeat(np.arange(table.size), lengths)
    kept = [name for name in table.columns if name not in {step for _, steps in roles.channels for step in steps}]
    columns = {name: table.columns[name].rows(rows) for name in kept}
    columns |= {
        name: column_of_numbers(name, values[..., place][valid]) for place, (name, _) in enumerate(roles.channels)
    }
    parts = None if table.parts is None else table.parts[rows]
    return replace(table, columns=columns, series=rows, parts=parts)


def varying(ordered: OrderedSeries, name: str) -> int | None:
    """Return the place of the first series in which a column has several values; None if it has one in each."""
    labels = ordered.columns[name].labels()
    places = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    codes = np.array([places[label] for label in labels], np.int64)
    changes = np.flatnonzero((np.diff(codes) != 0) & (np.diff(ordered.of_row) == 0))
    return int(ordered.of_row[changes[0]]) if changes.size else None
