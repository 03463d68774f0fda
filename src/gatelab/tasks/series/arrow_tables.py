"""Tables of Apache Arrow: parquet files, and data sets of Hugging Face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line
from gatelab.reading import Limits, read_bytes
from gatelab.tasks.series.column_values import Nested, column_of_array, nested_table
from gatelab.tasks.series.series_table import MOST_COLUMNS, SeriesTable, TableColumn, column_of_words, joined
from gatelab.tasks.sources.fetch import load_any
from gatelab.tasks.sources.own_folder import part_named

# pyarrow takes long to import; tasks must be listed without it.
if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MOST_VALUES", "read_hub", "read_parquet"]

_LIMITS = Limits(size=2**30)
MOST_VALUES = 2**27
"""Values of all columns together: 1 GB as float64."""
_MOST_UNPACKED = 2**31  # bytes


def read_parquet(place: Path, named: str) -> SeriesTable:
    """Return the table in a parquet file. Columns of lists make a row a series; others than numbers, times and text are
    left out, and said to be.

    Raises:
        UserError: it is damaged or too large.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = read_bytes(place, named, limits=_LIMITS)
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            _check_size(file.metadata, named)
            words = [field.name for field in file.schema_arrow if _is_text(field.type)]
        # words stay numbered: one long word, a million times, is kept once
        with pq.ParquetFile(pa.BufferReader(content), read_dictionary=words) as file:
            table = file.read()
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise UserError(f"{named}: not a complete parquet file ({one_line(error, 120)})") from None
    return _of_arrow(table, named)


def read_hub(path: str, named: str) -> SeriesTable:
    """Return the table of a data set of Hugging Face, ``owner/name`` or ``owner/name:config``, or of a folder that
    ``save_to_disk`` wrote; its splits are parts.

    Raises:
        UserError: it cannot be fetched or read.
    """
    found = load_any(path, named)
    splits = dict(found) if hasattr(found, "keys") else {"": found}
    parts = {split: part_named(split) for split in splits}
    known = {split: table for split, table in splits.items() if parts[split] is not None} or splits
    notes = [f"split '{one_line(split)}' is left out" for split in splits if split not in known]
    tables = []
    for split, content in known.items():
        _check_rows(content.num_rows, content.num_columns, named)
        table = _of_arrow(content.with_format("arrow")[:], f"{named}, {one_line(split)}" if split else named)
        part = parts[split]
        tables.append(table if part is None else replace(table, parts=np.full(table.size, part, np.int64)))
    whole = joined(tables, named) if len(tables) > 1 else replace(tables[0], named=named)
    return replace(whole, notes=(*whole.notes, *notes))


def _check_rows(rows: int, columns: int, named: str) -> None:
    if columns > MOST_COLUMNS:
        raise UserError(f"{named}: {columns:,} columns; at most {MOST_COLUMNS:,}")
    if rows * columns > MOST_VALUES:
        raise UserError(f"{named}: {rows:,} rows of {columns:,} columns; at most {MOST_VALUES:,} values")


def _check_size(metadata: Any, named: str) -> None:
    """Refuse a file by what its footer says, before anything is unpacked."""
    _check_rows(metadata.num_rows, metadata.num_columns, named)
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    unpacked = sum(group.total_byte_size for group in groups)
    values = sum(group.column(place).num_values for group in groups for place in range(group.num_columns))
    if unpacked > _MOST_UNPACKED or values > MOST_VALUES:
        raise UserError(
            f"{named}: unpacks to {values:,} values in {unpacked >> 20:,} MB; at most {MOST_VALUES:,} in "
            f"{_MOST_UNPACKED >> 20:,} MB"
        )


def _of_arrow(table: pa.Table, named: str) -> SeriesTable:
    if not table.num_rows or not table.num_columns:
        raise UserError(f"{named}: has no rows")
    if twice := next((name for name in table.column_names if table.column_names.count(name) > 1), None):
        raise UserError(f"{named}: column '{one_line(twice)}' is there twice")
    columns: dict[str, Nested] = {}
    notes = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        found = _columns(name, column.combine_chunks(), named)
        columns |= found
        if not found:
            notes.append(f"column '{one_line(name)}' of type {one_line(column.type, 40)} is left out")
    return nested_table(columns, named, tuple(notes))


def _columns(name: str, column: Any, named: str) -> dict[str, Nested]:
    """Return one column, one for each channel of lists of lists, or none for another type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    if not _is_list(column.type):
        found = _single(name, column, named)
        return {} if found is None else {name: (found, None)}
    if column.null_count:
        raise UserError(f"{named}: column '{one_line(name)}' has no series in some rows")
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
    steps = pc.list_flatten(column)
    if not _is_list(steps.type):
        found = _single(name, steps, named)
        return {} if found is None else {name: (found, lengths)}
    widths = np.unique(pc.list_value_length(steps).to_numpy(zero_copy_only=False))
    values = _single(name, pc.list_flatten(steps), named)
    if values is None:
        return {}
    if len(widths) != 1 or steps.null_count:
        raise UserError(f"{named}: column '{one_line(name)}' must have as many values at each step")
    width = int(widths[0])
    every = np.arange(len(steps)) * width
    return {
        f"{name}_{place}": (replace(values.rows(every + place), name=f"{name}_{place}"), lengths)
        for place in range(width)
    }


def _single(name: str, column: Any, named: str) -> TableColumn | None:
    import pyarrow as pa

    kind = column.type
    if _is_text(kind):
        coded = column if pa.types.is_dictionary(kind) else column.dictionary_encode()
        words = np.array([*coded.dictionary.to_pylist(), None], np.object_)
        return column_of_words(name, words[coded.indices.fill_null(len(words) - 1).to_numpy()].tolist(), named)
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        column = column.cast(pa.timestamp("ns"), safe=False)
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif pa.types.is_null(kind):
        return column_of_array(name, np.full(len(column), np.nan), named)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    missing = column.is_null().to_numpy(zero_copy_only=False)
    return _with_missing(name, column, missing, named)


def _with_missing(name: str, column: Any, missing: NDArray[np.bool_], named: str) -> TableColumn:
    """Return the column of an Arrow array; its integers are not rounded where others are missing."""
    import pyarrow as pa

    filled = column.fill_null(0 if not pa.types.is_timestamp(column.type) else pa.scalar(0, column.type))
    found = column_of_array(name, filled.to_numpy(zero_copy_only=False), named)
    if not missing.any():
        return found
    if found.numbers is not None:
        return replace(found, numbers=np.where(missing, np.nan, found.numbers))
    texts = found.labels().copy()
    texts[missing] = None
    return replace(found, texts=texts)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
