"""Columns of values that have a type already, and tables whose cells are whole series."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line
from gatelab.tasks.series.series_table import (
    EXACT,
    MOST_COLUMNS,
    SeriesTable,
    TableColumn,
    column_of_numbers,
    column_of_words,
)

__all__ = ["Nested", "column_of_array", "column_of_values", "nested_table"]

Nested = tuple[TableColumn, NDArray[np.int64] | None]
"""A column of single values, or one of all steps with (rows,) the number of steps of each row."""


def column_of_values(name: str, values: Sequence[Any], named: str) -> TableColumn:
    """Return a column of numbers, truths (1 and 0), texts or None. Text that is ISO 8601 throughout is times.

    Raises:
        UserError: they are mixed, or of another kind.
    """
    there = [(row, value) for row, value in enumerate(values, 1) if value is not None]
    texts = sum(isinstance(value, str) for _, value in there)
    for row, value in there:
        if not isinstance(value, str | int | float) or isinstance(value, str) != (texts == len(there)):
            raise UserError(f"{named}, row {row}: column '{one_line(name)}' mixes kinds: {one_line(value, 40)}")
    if texts:
        return column_of_words(name, values, named)
    if any(isinstance(value, int) and abs(value) > EXACT for _, value in there):
        return column_of_words(name, [None if value is None else str(value) for value in values], named)
    return column_of_numbers(name, np.array([math.nan if value is None else value for value in values], np.float64))


def column_of_array(name: str, array: NDArray[Any], named: str) -> TableColumn:
    """Return a column of a NumPy array (rows,); NaN and NaT are missing.

    Raises:
        UserError: its values are neither numbers, times nor text.
    """
    kind = array.dtype.kind
    if kind in "iu" and array.size and (int(array.max()) > EXACT or int(array.min()) < -EXACT):
        return column_of_words(name, [str(value) for value in array.tolist()], named)
    if kind in "biuf":
        return column_of_numbers(name, array)
    if kind == "M":
        seconds = array.astype("datetime64[ns]").astype(np.int64) / 1e9
        return column_of_numbers(name, np.where(np.isnat(array), np.nan, seconds), "time")
    if kind in "US":
        words = array.astype(str) if kind == "U" else np.char.decode(array, "utf-8", "replace")
        return column_of_words(name, [word or None for word in words.tolist()], named)
    raise UserError(
        f"{named}: column '{one_line(name)}' has values of type {one_line(array.dtype)}; must be numbers or text"
    )


def nested_table(columns: Mapping[str, Nested], named: str, notes: tuple[str, ...] = ()) -> SeriesTable:
    """Return a table of columns, of which some hold all steps of a row: then a row is a series.

    Raises:
        UserError: too many columns, or columns of a row that differ in steps.
    """
    if len(columns) > MOST_COLUMNS:
        raise UserError(f"{named}: {len(columns):,} columns; at most {MOST_COLUMNS:,}")
    steps = {name: lengths for name, (_, lengths) in columns.items() if lengths is not None}
    if not steps:
        return SeriesTable(named, {name: column for name, (column, _) in columns.items()}, notes=notes)
    first, lengths = next(iter(steps.items()))
    for name, others in steps.items():
        if (differ := np.flatnonzero(others != lengths)).size:
            row = int(differ[0])
            raise UserError(
                f"{named}, row {row + 1}: '{one_line(first)}' has {lengths[row]} steps and '{one_line(name)}' "
                f"{others[row]}; must be as many"
            )
    if (empty := np.flatnonzero(lengths == 0)).size:
        raise UserError(f"{named}, row {empty[0] + 1}: '{one_line(first)}' has no steps")
    rows = np.repeat(np.arange(len(lengths)), lengths)
    long = {name: column if own is not None else column.rows(rows) for name, (column, own) in columns.items()}
    return SeriesTable(named, long, rows, notes=notes)
