"""Tables in text, CSV and TSV. The type of a column is decided once, by all of its values.

``datasets`` guesses types anew every 10,000 rows, so that the word 001 becomes 1 from there on; text is read here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from gatelab.errors import UserError, one_line
from gatelab.reading import Limits, read_bytes
from gatelab.tasks.series.series_table import MOST_COLUMNS, MOST_ROWS, SeriesTable, column_of_texts

__all__ = ["LIMITS", "MOST_CELLS", "read_delimited"]

LIMITS = Limits(size=2**29)
MOST_CELLS = 20_000_000  # as text, a cell takes about 60 bytes of memory

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_delimited(place: Path, named: str) -> SeriesTable:
    """Return the table in a CSV or TSV file, whose first line names the columns.

    The cells are separated by the one of , ; and tab that is most often in the first line. With semicolons, as
    spreadsheets write them in much of Europe, 3,14 is a number.

    Raises:
        UserError: it is no such text, has another number of cells in a line, or is too large.
    """
    text, suffix = _decoded(read_bytes(place, named, limits=LIMITS), named), place.suffix.lower()
    header = text.partition("\n")[0]
    delimiter = "\t" if suffix == ".tsv" else max(_DELIMITERS, key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip() for name in next(rows, [])]
        _check_names(names, named)
        cells = list(_rows(rows, names, named))
    except csv.Error as error:
        raise UserError(f"{named}, line {rows.line_num}: not a complete table: {one_line(error)}") from None
    if not cells:
        raise UserError(f"{named}: has no rows below its first line, which names the columns")
    notes = [f"cells are separated by {_DELIMITERS[delimiter]}"] if delimiter != "," and suffix != ".tsv" else []
    columns = {
        name: column_of_texts(name, values, named, comma=delimiter == ";")
        for name, values in zip(names, zip(*cells, strict=True), strict=True)
    }
    return SeriesTable(named, columns, notes=tuple(notes))


def _decoded(content: bytes, named: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{named}, line {line}: is not text in UTF-8; a spreadsheet can save it so") from None
    if "\0" in text:
        raise UserError(f"{named}: has zero bytes; must be a text file")
    return text


def _check_names(names: Sequence[str], named: str) -> None:
    if len(names) > MOST_COLUMNS:
        raise UserError(f"{named}: {len(names):,} columns; at most {MOST_COLUMNS:,}")
    if not names:
        raise UserError(f"{named}: is empty; its first line must name the columns")
    known: set[str] = set()
    for place, name in enumerate(names, 1):
        if not name:
            advice = "; pandas leaves its index out with to_csv(…, index=False)" if place == 1 else ""
            raise UserError(f"{named}: column {place} has no name in the first line{advice}")
        if name in known:
            raise UserError(f"{named}: column '{one_line(name)}' is there twice")
        known.add(name)
    if all(_is_number(name) for name in names) and len(names) > 1 and names != sorted(names, key=float):
        raise UserError(f"{named}: its first line is all numbers; it must name the columns")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _rows(rows: Iterator[list[str]], names: Sequence[str], named: str) -> Iterator[list[str]]:
    line = 1
    count = 0
    for cells in rows:
        line += 1
        if not cells:
            continue
        if len(cells) != len(names):
            raise UserError(f"{named}, row {line - 1}: {len(cells)} cells for {len(names)} columns")
        count += 1
        if count > MOST_ROWS or count * len(names) > MOST_CELLS:
            raise UserError(f"{named}: more than {MOST_CELLS:,} cells; as a .parquet file it may have more")
        yield cells
