"""Tables of NumPy: .npy, and .npz whose arrays are columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line
from gatelab.reading.arrays import read_npy, read_npz
from gatelab.tasks.series.column_values import Nested, column_of_array, nested_table
from gatelab.tasks.series.series_table import MOST_COLUMNS, SeriesTable, joined
from gatelab.tasks.sources.own_folder import part_named

__all__ = ["read_archive", "read_array"]

_LENGTHS = "lengths"


def read_array(place: Path, named: str) -> SeriesTable:
    """Return the table in a .npy file.

    (rows,) is one column, ``value``; (rows, columns) has columns 0, 1, …; (series, time, channels) is a series a row.
    The fields of a structured array are columns.
    """
    array = read_npy(place, named)
    if array.dtype.names:
        return _of_arrays({name: array[name] for name in array.dtype.names}, named)
    if array.ndim == 2:
        if array.shape[1] > MOST_COLUMNS:
            raise UserError(f"{named}: {array.shape[1]:,} columns; at most {MOST_COLUMNS:,}")
        return _of_arrays({str(column): array[:, column] for column in range(array.shape[1])}, named)
    return _of_arrays({"value": array}, named)


def read_archive(place: Path, named: str) -> SeriesTable:
    """Return the table in a .npz file: the arrays are columns, each with as many rows.

    x (series, time) or (series, time, channels) makes a row a series, whose other arrays (series,) hold for all steps;
    an array ``lengths`` (series,) says where each ends, otherwise its last value that is not NaN does. Names that end
    in _train, _valid and _test are parts.
    """
    arrays = read_npz(place, named)
    if not arrays:
        raise UserError(f"{named}: has no arrays")
    parts: dict[int | None, dict[str, NDArray[Any]]] = {}
    for name, array in arrays.items():
        stem, _, end = name.rpartition("_")
        part = part_named(end) if stem else None
        parts.setdefault(part, {})[stem if part is not None else name] = array
    if None in parts:
        if len(parts) > 1:
            odd = one_line(next(iter(parts[None])))
            raise UserError(f"{named}: array '{odd}' is of no part; each must end in _train, _valid or _test, or none")
        return _of_arrays(parts[None], named)
    tables = []
    for part, content in sorted((part, content) for part, content in parts.items() if part is not None):
        table = _of_arrays(content, named)
        tables.append(replace(table, parts=np.full(table.size, part, np.int64)))
    return joined(tables, named)


def _of_arrays(arrays: Mapping[str, NDArray[Any]], named: str) -> SeriesTable:
    for name, array in arrays.items():
        if array.ndim not in (1, 2, 3) or not array.size:
            raise UserError(
                f"{named}: array '{one_line(name)}' has shape {array.shape}; must be (rows,), or (series, time)"
            )
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"'{one_line(name, 20)}' {size:,}" for name, size in list(sizes.items())[:4])
        raise UserError(f"{named}: its arrays differ in rows: {listed}")
    series = {name: array for name, array in arrays.items() if array.ndim > 1}
    if not series:
        return nested_table(
            {name: (column_of_array(name, array, named), None) for name, array in arrays.items()}, named
        )
    steps = {name: array.shape[1] for name, array in series.items()}
    if len(set(steps.values())) > 1:
        listed = ", ".join(f"'{one_line(name, 20)}' {size:,}" for name, size in list(steps.items())[:4])
        raise UserError(f"{named}: its arrays differ in time steps: {listed}")
    lengths = _lengths(arrays.get(_LENGTHS), series, named)
    valid = np.arange(next(iter(steps.values()))) < lengths[:, None]
    columns: dict[str, Nested] = {}
    for name, array in arrays.items():
        if array.ndim == 1:
            if name != _LENGTHS:
                columns[name] = (column_of_array(name, array, named), None)
            continue
        channels = array[..., None] if array.ndim == 2 else array
        for place in range(channels.shape[2]):
            own = name if channels.shape[2] == 1 else f"{name}_{place}"
            columns[own] = (column_of_array(own, channels[..., place][valid], named), lengths)
    return nested_table(columns, named)


def _lengths(given: NDArray[Any] | None, series: Mapping[str, NDArray[Any]], named: str) -> NDArray[np.int64]:
    rows, steps = next(iter(series.values())).shape[:2]
    if given is not None:
        if given.dtype.kind not in "iu" or given.min() < 1 or given.max() > steps:
            raise UserError(f"{named}: array 'lengths' must be integers from 1 to {steps}")
        return given.astype(np.int64)
    there = np.zeros((rows, steps), np.bool_)
    for array in series.values():
        present = ~np.isnan(array) if array.dtype.kind == "f" else np.ones(array.shape, np.bool_)
        there |= present if present.ndim == 2 else present.any(-1)
    lengths = np.where(there.any(axis=1), steps - np.argmax(there[:, ::-1], axis=1), 0)
    return lengths.astype(np.int64)
