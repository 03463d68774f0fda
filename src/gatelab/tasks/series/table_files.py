"""Which reader reads a path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gatelab.errors import UserError, one_line
from gatelab.reading import Limits, read_bytes
from gatelab.tasks.series.delimited_text import read_delimited
from gatelab.tasks.series.series_table import SeriesTable

__all__ = ["FORMATS", "read_table"]

_LIMITS = Limits(size=2**30)

FORMATS: dict[str, Callable[[bytes, str, str], SeriesTable]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
}
"""The end of a file's name -> its reader, from the content, the name in errors and this end."""


def read_table(path: str) -> SeriesTable:
    """Return the table in a file.

    Raises:
        UserError: there is none, it is of another format, or it cannot be read.
    """
    place = Path(path).expanduser()
    return _read_file(place, f"task.path={one_line(path, 200)}")


def _read_file(place: Path, named: str) -> SeriesTable:
    reader = FORMATS.get(place.suffix.lower())
    if reader is None:
        raise UserError(f"{named}: ends in '{place.suffix}'; must be a file {', '.join(FORMATS)}")
    return reader(read_bytes(place, named, limits=_LIMITS), named, place.suffix.lower())
