"""Tables of JSON lines: an object a line, its values single, or lists of all steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatelab.errors import UserError, one_line
from gatelab.reading import Limits, parse_json, read_text
from gatelab.tasks.series.column_values import Nested, column_of_values, nested_table
from gatelab.tasks.series.delimited_text import LIMITS, MOST_CELLS
from gatelab.tasks.series.series_table import SeriesTable

__all__ = ["read_json_lines"]

_LINE = Limits(size=2**26, values=2**22)


def read_json_lines(place: Path, named: str) -> SeriesTable:
    """Return the table in a file of JSON lines. null is missing; a key that a line lacks is null there.

    Raises:
        UserError: a line is no object of single values, or of lists, or the columns do not fit together.
    """
    rows: list[dict[str, Any]] = []
    cells = 0
    for number, line in enumerate(read_text(place, named, limits=LIMITS).splitlines(), 1):
        if not line.strip():
            continue
        row = parse_json(line, f"{named}, line {number}", limits=_LINE)
        if not isinstance(row, dict):
            raise UserError(f'{named}, line {number}: must be an object, as {{"a": 1, "label": "x"}}')
        cells += sum(len(value) if isinstance(value, list) else 1 for value in row.values())
        if cells > MOST_CELLS:
            raise UserError(f"{named}: more than {MOST_CELLS:,} values; as a .parquet file it may have more")
        rows.append(row)
    if not rows:
        raise UserError(f"{named}: has no rows")
    names = dict.fromkeys(name for row in rows for name in row)
    if len(names) * len(rows) > MOST_CELLS:
        raise UserError(f"{named}: {len(rows):,} rows of {len(names):,} columns; at most {MOST_CELLS:,} cells")
    columns: dict[str, Nested] = {}
    for name in names:
        columns |= _columns(name, [row.get(name) for row in rows], named)
    return nested_table(columns, named)


def _columns(name: str, values: Sequence[Any], named: str) -> dict[str, Nested]:
    """Return one column, or one for each channel of lists of lists."""
    if not any(isinstance(value, list) for value in values):
        return {name: (column_of_values(name, values, named), None)}
    for row, value in enumerate(values, 1):
        if not isinstance(value, list):
            raise UserError(f"{named}, row {row}: '{one_line(name)}' must be a list, as in other rows")
    lengths = np.array([len(value) for value in values], np.int64)
    steps = [step for value in values for step in value]
    if not any(isinstance(step, list) for step in steps):
        return {name: (column_of_values(name, steps, named), lengths)}
    widths = {len(step) if isinstance(step, list) else -1 for step in steps}
    if len(widths) > 1 or -1 in widths:
        raise UserError(f"{named}: '{one_line(name)}' must have as many values at each step")
    return {
        f"{name}_{place}": (column_of_values(f"{name}_{place}", [step[place] for step in steps], named), lengths)
        for place in range(widths.pop())
    }
