"""Which reader reads a path: a file by the end of its name, a folder of such files, a data set of Hugging Face."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gatelab.errors import UserError, one_line
from gatelab.tasks.series.array_tables import read_archive, read_array
from gatelab.tasks.series.arrow_tables import read_hub, read_parquet
from gatelab.tasks.series.delimited_text import LIMITS, read_delimited
from gatelab.tasks.series.json_lines import read_json_lines
from gatelab.tasks.series.series_split import part_named
from gatelab.tasks.series.series_table import SeriesTable, column_of_words, joined
from gatelab.tasks.series.ts_files import read_ts

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
_MOST_FILES = 100_000


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
    files = _files(folder, named)
    parts = [_part(file, folder) for file in files]
    if any(part is not None for part in parts) and None in parts:
        odd = one_line(files[parts.index(None)].relative_to(folder))
        raise UserError(f"{named}: '{odd}' is of no part; each file must say train, valid or test, or none")
    named_files = [f"{named}, {one_line(file.relative_to(folder))}" for file in files]
    tables = [FORMATS[file.suffix.lower()](file, name) for file, name in zip(files, named_files, strict=True)]
    if parts[0] is not None:
        tables = [
            replace(table, parts=np.full(table.size, part, np.int64))
            for table, part in zip(tables, parts, strict=True)
            if part is not None
        ]
    else:
        tables = [_of_file(table, file.relative_to(folder), named) for table, file in zip(tables, files, strict=True)]
    return replace(joined(tables, named), named=named)


def _of_file(table: SeriesTable, file: Path, named: str) -> SeriesTable:
    """Return a table with the columns ``file`` and ``folder``; where its rows are steps, they are one series."""
    added = {"file": file.with_suffix("").as_posix(), "folder": file.parent.name}
    columns = {name: column_of_words(name, [word or None] * table.size, named) for name, word in added.items()}
    series = np.zeros(table.size, np.int64) if table.series is None else table.series
    return replace(table, columns={**table.columns, **columns}, series=series)


def _files(folder: Path, named: str) -> Sequence[Path]:
    inside = folder.resolve()
    files = []
    size = 0
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() not in FORMATS or file.name.startswith(".") or file.is_dir():
            continue
        if not file.resolve().is_relative_to(inside):
            raise UserError(f"{named}: '{one_line(file.relative_to(folder))}' is a link out of the folder")
        files.append(file)
        size += file.stat().st_size if file.exists() else 0
        if len(files) > _MOST_FILES or size > LIMITS.size:
            raise UserError(f"{named}: more than {_MOST_FILES:,} files, or than {LIMITS.size >> 20} MB")
    kinds = sorted({file.suffix.lower() for file in files})
    if not files:
        raise UserError(f"{named}: has no file {', '.join(FORMATS)}")
    if len(kinds) > 1:
        raise UserError(f"{named}: has files {', '.join(kinds)}; they must be of one format")
    return files


def _part(file: Path, folder: Path) -> int | None:
    """Return the part that a file is of, by its name or by a folder above it."""
    words = [re.split(r"[_.\- ]", file.stem)[-1], *(part for part in file.relative_to(folder).parts[:-1])]
    return next((part for word in words if (part := part_named(word)) is not None), None)
