"""A table of series as it was read: columns of numbers, times or text, and which rows belong together."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line

__all__ = [
    "EXACT",
    "MOST_COLUMNS",
    "MOST_ROWS",
    "SeriesTable",
    "TableColumn",
    "column_of_numbers",
    "column_of_texts",
    "column_of_words",
    "joined",
]

MOST_COLUMNS = 10_000
MOST_ROWS = 20_000_000
EXACT = 2**53
"""Beyond it, float64 does not tell neighbouring whole numbers apart."""

_MISSING = frozenset({"", "?"})
_MISSING_NUMBER = _MISSING | {"nan", "na", "n/a", "null", "none", "#n/a", "-nan"}  # in lower case
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?inf(inity)?", re.ASCII | re.IGNORECASE)
_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?", re.ASCII)
_CODE = re.compile(r"[-+]?0\d", re.ASCII)  # 007 is a name and no number
_LONG = re.compile(r"[-+]?\d{16,40}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TRUTH = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True, eq=False)
class TableColumn:
    """One column.

    Attributes:
        name: as in the file.
        kind: what its values are. Times are seconds since 1970, in UTC if the file names an offset.
        numbers: float64 (rows,), NaN where missing; None for text.
        texts: (rows,) of str, None where missing; None for numbers and times from a binary file.
        doubt: the first value of a text column that is no number, where most others are.
    """

    name: str
    kind: Literal["number", "time", "text"]
    numbers: NDArray[np.float64] | None
    texts: NDArray[np.object_] | None
    doubt: str = ""

    @property
    def missing(self) -> NDArray[np.bool_]:
        """(rows,), whether a value is missing."""
        if self.numbers is not None:
            return np.isnan(self.numbers)
        assert self.texts is not None
        return np.array([text is None for text in self.texts], np.bool_)

    def labels(self) -> NDArray[np.object_]:
        """Return (rows,) the values as text, None where missing; whole numbers without a point."""
        if self.texts is not None and self.kind != "number":
            return self.texts
        assert self.numbers is not None
        values, place = np.unique(self.numbers, return_inverse=True)
        words = np.array([None if math.isnan(value) else _word(value) for value in values.tolist()], np.object_)
        return words[place] if len(words) else np.empty(0, np.object_)

    def rows(self, chosen: NDArray[Any]) -> TableColumn:
        """Return the column with some of its rows."""
        return replace(
            self,
            numbers=None if self.numbers is None else self.numbers[chosen],
            texts=None if self.texts is None else self.texts[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class SeriesTable:
    """All columns of a table, each with as many rows.

    Attributes:
        named: what errors call the source.
        columns: name -> column, in the order of the file.
        series: (rows,) the number of the series of each row, where the format says it; otherwise None.
        parts: (rows,) the place in ``own_folder.PARTS`` of each row, where files or splits say it; otherwise None.
        notes: what was assumed on reading, one sentence each.
    """

    named: str
    columns: Mapping[str, TableColumn]
    series: NDArray[np.int64] | None = None
    parts: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def size(self) -> int:
        """The number of rows."""
        return next((len(_values(column)) for column in self.columns.values()), 0)

    def sha256(self) -> str:
        """Return the hash of names, kinds and values: equal for equal content in files of two formats."""
        digest = hashlib.sha256()
        for column in self.columns.values():
            digest.update(f"{len(column.name)}:{column.name}:{column.kind}:{self.size}\n".encode())
            if column.numbers is not None:
                whole = np.where(np.isnan(column.numbers), np.nan, column.numbers)
                digest.update(whole.astype("<f8").tobytes())
            else:
                digest.update("".join("-" if t is None else f"{len(t)}:{t}" for t in column.labels()).encode())
        for numbers in (self.series, self.parts):
            digest.update(b"-" if numbers is None else numbers.astype("<i8").tobytes())
        return digest.hexdigest()


def _values(column: TableColumn) -> NDArray[Any]:
    found: NDArray[Any] | None = column.numbers if column.numbers is not None else column.texts
    assert found is not None
    return found


def _word(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def column_of_numbers(name: str, numbers: NDArray[Any], kind: Literal["number", "time"] = "number") -> TableColumn:
    """Return a column of numbers; NaN is missing."""
    return TableColumn(name, kind, np.ascontiguousarray(numbers, np.float64), None)


def column_of_texts(name: str, cells: Sequence[str | None], named: str, *, comma: bool = False) -> TableColumn:
    """Return a column whose kind is decided by all of its values: numbers, true and false, times of ISO 8601, or text.

    Args:
        name: of the column.
        cells: its values; empty and ``?`` are missing, and of numbers also NaN, NA and null.
        named: what errors call the file.
        comma: whether 3,14 is a number.

    Raises:
        UserError: times with and without an offset are mixed.
    """
    stripped = [None if cell is None or (text := cell.strip()) in _MISSING else text for cell in cells]
    if comma and any(text and _COMMA.fullmatch(text) for text in stripped):
        dotted = [text.replace(",", ".") if text and _COMMA.fullmatch(text) else text for text in stripped]
        stripped = dotted if _all_numbers(dotted) else stripped
    texts = np.empty(len(stripped), np.object_)
    texts[:] = stripped
    if _all_numbers(stripped) and not any(map(_is_inexact, stripped)):
        numbers = [_number(text) for text in stripped]
        return TableColumn(name, "number", np.array(numbers, np.float64), texts)
    if all(text is None or text.lower() in _TRUTH for text in stripped):
        truths = [math.nan if text is None else _TRUTH[text.lower()] for text in stripped]
        return TableColumn(name, "number", np.array(truths, np.float64), None)
    if (times := _times(name, stripped, named)) is not None:
        return TableColumn(name, "time", times, texts)
    return TableColumn(name, "text", None, texts, _doubt(stripped))


def column_of_words(name: str, values: Sequence[str | None], named: str) -> TableColumn:
    """Return a column of text, or of times if all are ISO 8601; empty and ``?`` are missing. No word is a number."""
    stripped = [None if value is None or (text := value.strip()) in _MISSING else text for value in values]
    texts = np.empty(len(stripped), np.object_)
    texts[:] = stripped
    times = _times(name, stripped, named) if any(stripped) else None
    return TableColumn(name, "text", None, texts) if times is None else TableColumn(name, "time", times, texts)


def _all_numbers(texts: Sequence[str | None]) -> bool:
    return all(
        text is None or (_NUMBER.fullmatch(text) and not _CODE.match(text)) or text.lower() in _MISSING_NUMBER
        for text in texts
    )


def _is_inexact(text: str | None) -> bool:
    """Return whether a text is a whole number that float64 would round: it is a name, not a quantity."""
    return text is not None and _LONG.fullmatch(text) is not None and abs(int(text)) > EXACT


def _number(text: str | None) -> float:
    return math.nan if text is None or text.lower() in _MISSING_NUMBER else float(text)


def _doubt(texts: Sequence[str | None]) -> str:
    """Return the first value that is no number, with its row, if nine of ten are numbers."""
    others = [
        (row, text)
        for row, text in enumerate(texts, 1)
        if text is not None and not _NUMBER.fullmatch(text) and text.lower() not in _MISSING_NUMBER
    ]
    if not others or len(others) * 10 > len(texts):
        return ""
    row, text = others[0]
    return f"row {row}: '{one_line(text, 40)}' is no number, and most of the column are"


def _times(name: str, texts: Sequence[str | None], named: str) -> NDArray[np.float64] | None:
    """Return seconds since 1970, or None if not all are times of ISO 8601 with a date."""
    seconds, offsets = [], set()
    for text in texts:
        if text is None:
            seconds.append(math.nan)
            continue
        if not _DATE.match(text):
            return None
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            return None
        offsets.add(time.tzinfo is None)
        seconds.append((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
    if len(offsets) > 1:
        raise UserError(f"{named}: column '{one_line(name)}' has times with and without an offset; must be all alike")
    return np.array(seconds, np.float64)


def joined(tables: Sequence[SeriesTable], named: str) -> SeriesTable:
    """Return several tables of the same columns below each other.

    Raises:
        UserError: one has other columns, or a column of another kind.
    """
    first, *others = tables
    for other in others:
        if list(other.columns) != list(first.columns):
            odd = next(iter(set(other.columns) ^ set(first.columns)), "their order")
            raise UserError(f"{other.named}: must have the columns of {first.named}; they differ in '{one_line(odd)}'")
    columns = {name: _joined_column([table.columns[name] for table in tables], named) for name in first.columns}
    sizes = [table.size for table in tables]
    series = None
    if all(table.series is not None for table in tables):
        counts = [int(table.series.max(initial=-1)) + 1 for table in tables if table.series is not None]
        starts = np.cumsum([0, *counts[:-1]])
        series = np.concatenate([t.series + s for t, s in zip(tables, starts, strict=True) if t.series is not None])
    parts = [table.parts for table in tables if table.parts is not None]
    notes = dict.fromkeys(note for table in tables for note in table.notes)
    if parts and len(parts) < len(sizes):
        raise UserError(f"{named}: only some of its files say which part they are")
    return SeriesTable(named, columns, series, np.concatenate(parts) if parts else None, tuple(notes))


def _joined_column(columns: Sequence[TableColumn], named: str) -> TableColumn:
    kinds = {column.kind for column in columns if not column.missing.all()} or {columns[0].kind}
    name = columns[0].name
    if len(kinds) > 1:
        if any(column.kind == "text" and column.doubt for column in columns):
            doubt = next(column.doubt for column in columns if column.doubt)
            raise UserError(f"{named}: column '{one_line(name)}', {doubt}")
        return TableColumn(name, "text", None, np.concatenate([column.labels() for column in columns]))
    kind = next(iter(kinds))
    if kind == "text":
        return TableColumn(name, kind, None, np.concatenate([column.labels() for column in columns]))
    numbers = [np.full(len(c.labels()), np.nan) if c.numbers is None else c.numbers for c in columns]
    return TableColumn(name, kind, np.concatenate(numbers), None)
