"""Files of the UCR and UEA archives (.ts): a line is a series, its dimensions separated by colons, the label last.

1.5,2.0,?:7,8,9:running                                 @timestamps false
(0,1.5),(10,2.0):(0,7),(10,8):running                   @timestamps true: a time or a date before each value
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gatelab.errors import UserError, one_line
from gatelab.reading import read_text
from gatelab.tasks.series.column_values import Nested, column_of_values, nested_table
from gatelab.tasks.series.delimited_text import LIMITS, MOST_CELLS
from gatelab.tasks.series.series_table import MOST_COLUMNS, SeriesTable, column_of_texts

__all__ = ["read_ts"]

_DIMENSION = re.compile(r"[^:(]*(?:\([^()]*\)[^:(]*)*")  # dates have colons too, within brackets
_PAIR = re.compile(r"\s*\(([^(),]*),([^(),]*)\)\s*")


def read_ts(place: Path, named: str) -> SeriesTable:
    """Return the table in a .ts file: columns dim_0, dim_1, … (``value`` if there is one), and ``label`` or ``target``.

    Series may differ in length, whatever ``@equalLength`` says. ? and NaN are missing. With ``@timestamps true`` there
    is a column ``time`` too: numbers, or dates as 2026-11-29 08:30.

    Raises:
        UserError: a line does not fit the header, or the dimensions of a series have other times.
    """
    header, lines, first = _divided(read_text(place, named, limits=LIMITS), named)
    timed = header.get("timestamps", ["false"])[:1] == ["true"]
    labelled = next((key for key in ("classlabel", "targetlabel") if header.get(key, ["false"])[:1] == ["true"]), None)
    cells, lengths, labels = _cells(lines, first, named, labelled=labelled is not None, timed=timed)
    columns: dict[str, Nested] = {}
    if timed:
        times = column_of_texts("time", cells.pop(0), named)
        if times.kind == "text" or times.missing.any():
            raise UserError(f"{named}: its times must be numbers, or dates as 2026-11-29 08:30, one for each value")
        columns["time"] = (times, lengths)
    for number, texts in enumerate(cells):
        name = f"dim_{number}" if len(cells) > 1 else "value"
        column = column_of_texts(name, texts, named)
        if column.kind != "number":
            raise UserError(
                f"{named}: dimension {number} must be numbers{', but ' if column.doubt else ''}{column.doubt}"
            )
        columns[name] = (column, lengths)
    notes = []
    if header.get("equallength", [""])[:1] == ["true"] and len(set(lengths.tolist())) > 1:
        notes.append("@equalLength says true, and lengths differ")
    if labelled == "classlabel":
        _check_labels(labels, header["classlabel"][1:], named)
        columns["label"] = (column_of_values("label", labels, named), None)
    elif labelled is not None:
        columns["target"] = (column_of_texts("target", labels, named), None)
    return nested_table(columns, named, tuple(notes))


def _divided(text: str, named: str) -> tuple[Mapping[str, list[str]], Sequence[str], int]:
    """Return the words of each line of the header by its key, the lines of data, and the number of the first."""
    header: dict[str, list[str]] = {}
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if line.strip().lower() == "@data":
            return header, lines[number:], number + 1
        if line.startswith("@"):
            key, *words = line[1:].split() or [""]
            # names of classes keep their capitals
            header[key.lower()] = [word.lower() if place == 0 else word for place, word in enumerate(words)]
        elif line.strip() and not line.startswith("#"):
            raise UserError(
                f"{named}, line {number}: '{one_line(line, 40)}' before @data; must be a .ts file of UCR or UEA"
            )
    raise UserError(f"{named}: has no @data; must be a .ts file of UCR or UEA")


def _cells(
    lines: Sequence[str], first: int, named: str, *, labelled: bool, timed: bool
) -> tuple[list[list[str]], np.ndarray, list[str]]:
    """Return all values of each dimension, the steps of each series, and the label of each.

    Times, if there are any, stand before the first dimension as one more.
    """
    cells: list[list[str]] = []
    lengths, labels = [], []
    count = 0
    for number, line in enumerate(lines, first):
        if not line.strip() or line.startswith("#"):
            continue
        dimensions = _dimensions(line.strip(), f"{named}, line {number}") if timed else line.strip().split(":")
        if labelled:
            labels.append(dimensions.pop().strip())
        values = [dimension.split(",") for dimension in dimensions]
        if timed:
            values = _apart(dimensions, f"{named}, line {number}")
        cells = cells or [[] for _ in values]
        if len(values) != len(cells) or not dimensions or len(cells) > MOST_COLUMNS:
            there, before = len(dimensions), len(cells) - timed
            raise UserError(f"{named}, line {number}: {there:,} dimensions, and {before:,} in the first line")
        if len({len(each) for each in values}) > 1:
            raise UserError(f"{named}, line {number}: its dimensions differ in length")
        count += len(values) * len(values[0])
        if count > MOST_CELLS:
            raise UserError(f"{named}: more than {MOST_CELLS:,} values")
        for own, each in zip(cells, values, strict=True):
            own += each
        lengths.append(len(values[0]))
    if not lengths:
        raise UserError(f"{named}: has no series below @data")
    return cells, np.array(lengths, np.int64), labels


def _dimensions(line: str, named: str) -> list[str]:
    """Return a line cut at its colons that are not within brackets."""
    found, at = [], 0
    while True:
        match = _DIMENSION.match(line, at)
        assert match is not None  # it matches nothing at all
        found.append(match[0])
        if match.end() == len(line):
            return found
        if line[match.end()] != ":":
            raise UserError(f"{named}: a bracket is not closed; @timestamps true needs (time,value),(time,value)")
        at = match.end() + 1


def _apart(dimensions: Sequence[str], named: str) -> list[list[str]]:
    """Return the times of a series, and then the values of each dimension."""
    times: list[str] | None = None
    values = []
    for dimension in dimensions:
        pairs = []
        at = 0
        while match := _PAIR.match(dimension, at):
            pairs.append((match[1].strip(), match[2]))
            if match.end() == len(dimension):
                break
            if dimension[match.end()] != ",":
                match = None
                break
            at = match.end() + 1
        if match is None:
            wrong = one_line(dimension[at:].strip(), 40)
            raise UserError(f"{named}: '{wrong}': @timestamps true needs (time,value),(time,value)")
        own = [time for time, _ in pairs]
        if times is not None and own != times:
            raise UserError(f"{named}: its dimensions have other times; they must be the same, with ? where one lacks")
        times = own
        values.append([value for _, value in pairs])
    return [times or [], *values]


def _check_labels(labels: Sequence[str], known: Sequence[str], named: str) -> None:
    odd = next((label for label in labels if known and label not in known and label != "?"), None)
    if odd is not None:
        raise UserError(
            f"{named}: label '{one_line(odd, 40)}' is none of @classLabel: {one_line(' '.join(known), 120)}"
        )
