"""Which reader reads a path: a file by the end of its name, a folder of such files, a data set of Hugging Face."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from gatelab.errors import UserError, one_line
from gatelab.tasks.series.array_tables import read_archive, read_array
from gatelab.tasks.series.arrow_tables import read_hub, read_parquet
from gatelab.tasks.series.delimited_text import LIMITS, read_delimited
from gatelab.tasks.series.json_lines import read_json_lines
from gatelab.tasks.series.series_table import SeriesTable, column_of_words, joined
from gatelab.tasks.series.ts_files import read_ts
from gatelab.tasks.sources.own_folder import files_below, parts_of_files

__all__ = ["FORMATS", "read_table"]

FORMATS: dict[str, Callable[[Path, str], SeriesTable]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".jsonl": read_json_lines,
    ".parquet": read_parquet,
    ".npy": read_array,
    ".npz": read_archive,
    ".ts": read_ts,
}
"""The end of a file's name -> its reader, from the file and its name in errors."""

_HUB = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", re.ASCII)
_SAVED = ("dataset_dict.json", "dataset_info.json")  # what save_to_disk of datasets writes


def read_table(path: str) -> SeriesTable:
    """Return the table that a path names.

    Raises:
        UserError: there is none, it is of another format, or it cannot be read.
    """
    place, named = Path(path).expanduser(), f"task.path={one_line(path, 200)}"
    try:
        is_folder, is_there = place.is_dir(), place.exists()
    except (OSError, ValueError):
        raise UserError(f"{named}: no file can have that name") from None
    if is_folder:
        return read_hub(path, named) if any((place / name).is_file() for name in _SAVED) else _read_folder(place, named)
    if not is_there and _HUB.fullmatch(path) and place.suffix.lower() not in FORMATS:
        return read_hub(path, named)
    return _reader(place, named)(place, named)


def _reader(place: Path, named: str) -> Callable[[Path, str], SeriesTable]:
    reader = FORMATS.get(place.suffix.lower())
    if reader is None:
        raise UserError(
            f"{named}: ends in '{one_line(place.suffix)}'; must be a file {', '.join(FORMATS)}, or a folder"
        )
    return reader


def _read_folder(folder: Path, named: str) -> SeriesTable:
    """Return the files of a folder below each other.

    Files called train, valid and test (or that end so) are parts, and so are all files in folders of these names.
    Otherwise each file is a series if its rows are steps. ``file`` and ``folder`` are further columns.
    """
    files = files_below(folder, named, FORMATS, LIMITS.size)
    kinds = sorted({file.suffix.lower() for file in files})
    if len(kinds) > 1:
        raise UserError(f"{named}: has files {', '.join(kinds)}; they must be of one format")
    parts = parts_of_files(files, folder, named)
    named_files = [f"{named}, {one_line(file.relative_to(folder))}" for file in files]
    tables = [FORMATS[file.suffix.lower()](file, name) for file, name in zip(files, named_files, strict=True)]
    if parts is None:
        pairs = zip(tables, files, strict=True)
        tables = [_of_file(table, file.relative_to(folder), named) for table, file in pairs]
    else:
        tables = [_of_part(table, part) for table, part in zip(tables, parts, strict=True)]
    return replace(joined(tables, named), named=named)


def _of_part(table: SeriesTable, part: int) -> SeriesTable:
    return replace(table, parts=np.full(table.size, part, np.int64))


def _of_file(table: SeriesTable, file: Path, named: str) -> SeriesTable:
    """Return a table with the columns ``file`` and ``folder``; where its rows are steps, they are one series."""
    added = {"file": file.with_suffix("").as_posix(), "folder": file.parent.name}
    columns = {name: column_of_words(name, [word or None] * table.size, named) for name, word in added.items()}
    series = np.zeros(table.size, np.int64) if table.series is None else table.series
    return replace(table, columns={**table.columns, **columns}, series=series)
