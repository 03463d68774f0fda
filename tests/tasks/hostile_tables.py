"""Damaged and hostile tables, each written to a folder; every one must be refused in one line.

Run as a script, it reads all of them and prints the peak of its memory in megabytes.
"""

import io
import json
import resource
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib import format as npy

from gatelab.errors import UserError
from gatelab.tasks.series.series_task import Series

GOOD = "id,a,y\n" + "".join(f"s{n},{n},{n % 2}\n" for n in range(40))


def text(content: str, name: str = "mine.csv") -> Callable[[Path], str]:
    return raw(content.encode(), name)


def raw(content: bytes, name: str) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        (folder / name).write_bytes(content)
        return str(folder / name)

    return write


def header(shape: tuple[int, ...], kind: str = "<f8") -> bytes:
    """Return the bytes of a .npy file that claims a shape and has no values."""
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(f"{name}.npy", content)
    return file.getvalue()


def bomb() -> bytes:
    """Return an archive of a few kilobytes whose directory declares 8 GB; there is nothing of that size in it."""
    content = bytearray(archive(x=header((4,)) + bytes(32)))
    start = content.rindex(b"PK\x01\x02")
    content[start + 24 : start + 28] = (2**33 - 1 & 0xFFFFFFFE).to_bytes(4, "little")
    return bytes(content)


def objects() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], object))
    return file.getvalue()


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def repeated_rows() -> bytes:
    """A row that a dictionary repeats two hundred million times: one kilobyte of file for 1.6 GB of numbers."""
    file = io.BytesIO()
    codes = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2**21, np.int32)), pa.array([1.5]))
    table = pa.table({"a": pa.chunked_array([codes] * 70)})
    pq.write_table(table, file)
    return file.getvalue()


def link_out(folder: Path) -> str:
    outside = folder.parent / f"{folder.name}_outside.csv"
    outside.write_text(GOOD, encoding="utf-8")
    (folder / "a.csv").symlink_to(outside)
    return str(folder)


def pipe(folder: Path) -> str:
    import os

    os.mkfifo(folder / "mine.csv")
    return str(folder / "mine.csv")


TS = "@timeStamps false\n@classLabel true a b\n@data\n"
TIMED = TS.replace("false", "true")

NUMBERS = {"goal": "numbers", "target": "a", "inputs": ["y"], "duplicates": "keep"}
HOSTILE: dict[str, tuple[Callable[[Path], str], dict[str, Any]]] = {
    "empty": (text(""), {}),
    "a header alone": (text("id,a,y\n"), {}),
    "cut in a quoted cell": (text(GOOD + 's41,"4'), {}),
    "cut in a row": (text(GOOD + "s41,4"), {}),
    "a cell too many": (text(GOOD + "s41,4,1,1\n"), {}),
    "a column twice": (text("a,a,y\n1,2,3\n"), {}),
    "a column without a name": (text("a,,y\n1,2,3\n"), {}),
    "no header": (text("3,1,2\n4,1,2\n"), {}),
    "a million columns": (text(",".join(f"c{n}" for n in range(10**6)) + "\n"), {}),
    "a cell of a megabyte": (text(f"id,a,y\ns1,{'9' * 2**20},1\n"), {}),
    "zero bytes": (text("id,a,y\n\0,1,2\n"), {}),
    "another encoding": (raw("id,größe,y\n1,2,3\n".encode("latin-1"), "mine.csv"), {}),
    "a number with a million digits": (text(GOOD + f"s41,1{'0' * 100_000},1\n"), {}),
    "infinity": (text(GOOD + "s41,1e400,1\n"), NUMBERS),
    "too large to be scaled": (text(GOOD + "s41,1e308,1\ns42,-1e308,1\n"), {}),
    "text among numbers": (text(GOOD + "s41,four,1\n"), {"inputs": ["a"]}),
    "a name with markup": (text(GOOD.replace("y\n", "<script>\x1b[31m\n", 1)), {}),
    "a pipe": (pipe, {}),
    "a link out of the folder": (link_out, {}),
    "a path above": (text(GOOD), {"path": "../../../../etc/passwd"}),
    "a name with a zero byte": (text(GOOD), {"path": "mine\0.csv"}),
    "a workbook": (raw(b"PK\x03\x04" + bytes(100), "mine.xlsx"), {}),
    "JSON that is cut": (text('{"a": 1, "y": 0}\n{"a": 1, ', "mine.jsonl"), {}),
    "JSON of other kinds": (text('{"a": 1, "y": 0}\n{"a": "x", "y": 0}\n', "mine.jsonl"), {}),
    "JSON of objects": (text('{"a": {"b": 1}, "y": 0}\n', "mine.jsonl"), {}),
    "JSON of a list": (text("[1, 2, 3]\n", "mine.jsonl"), {}),
    "JSON nested a thousand times": (text("[" * 10_000 + "]" * 10_000, "mine.jsonl"), {}),
    "JSON of unequal steps": (text('{"a": [1, 2], "b": [1], "y": 0}\n', "mine.jsonl"), {}),
    "JSON of a million columns": (text(json.dumps({f"c{n}": n for n in range(10**5)}), "mine.jsonl"), {}),
    "parquet that is cut": (raw(parquet(pa.table({"a": [1.0, 2.0]}))[:-20], "mine.parquet"), {}),
    "parquet that is no parquet": (raw(b"PAR1" + b"x" * 100 + b"PAR1", "mine.parquet"), {}),
    "parquet without rows": (raw(parquet(pa.table({"a": pa.array([], pa.float64())})), "mine.parquet"), {}),
    "parquet that repeats a row": (raw(repeated_rows(), "mine.parquet"), {}),
    "parquet of structures": (raw(parquet(pa.table({"a": [{"b": 1}], "y": [1]})), "mine.parquet"), {}),
    "an array of objects": (raw(objects(), "mine.npy"), {}),
    "an array that claims a petabyte": (raw(header((2**47,)), "mine.npy"), {}),
    "an array that claims a negative size": (raw(header((-1,)), "mine.npy"), {}),
    "an array of complex numbers": (raw(header((2,), "<c16") + bytes(32), "mine.npy"), {}),
    "an array in five dimensions": (raw(header((1, 1, 1, 1, 1)) + bytes(8), "mine.npy"), {}),
    "a header of an array that is code": (
        raw(b"\x93NUMPY\x01\x00\x20\x00__import__('os').getpid()       \n", "mine.npy"),
        {},
    ),
    "an archive of objects": (raw(archive(x=objects()), "mine.npz"), {}),
    "an archive that declares 8 GB": (raw(bomb(), "mine.npz"), {}),
    "an archive that claims a petabyte": (raw(archive(x=header((2**47,))), "mine.npz"), {}),
    "an archive that is cut": (raw(archive(x=header((4,)) + bytes(32))[:-30], "mine.npz"), {}),
    "an archive of unequal rows": (
        raw(archive(x=header((4,)) + bytes(32), y=header((3,)) + bytes(24)), "mine.npz"),
        {},
    ),
    ".ts without data": (text("@classLabel true a b\n", "mine.ts"), {}),
    ".ts with an unknown label": (text(TS + "1,2:c\n", "mine.ts"), {}),
    ".ts with words": (text(TS + "1,x:a\n", "mine.ts"), {}),
    ".ts with other dimensions": (text(TS + "1,2:3,4:a\n1,2:a\n", "mine.ts"), {}),
    ".ts without times": (text(TIMED + "1,2:a\n", "mine.ts"), {}),
    ".ts with an open bracket": (text(TIMED + "(1,2),(2,3:a\n", "mine.ts"), {}),
    ".ts with half a pair": (text(TIMED + "(1,2),(2):a\n", "mine.ts"), {}),
    ".ts with other times": (text(TIMED + "(1,2),(2,3):(1,5),(3,5):a\n", "mine.ts"), {}),
    ".ts with times that are none": (text(TIMED + "(noon,2),(late,3):a\n", "mine.ts"), {}),
    "more memory than there is": (
        text("id,t,a,y\n" + "".join(f"s{n},0,{n},{n % 2}\n" for n in range(20_000))
             + "".join(f"long,{n},{n},0\n" for n in range(40_000))),
        {"per": "step"},
    ),
}  # fmt: skip
"""What is wrong with a table -> what writes it to a folder, and the fields beside ``path``."""


SAYS = {
    "empty": "is empty; its first line must name the columns",
    "a header alone": "has no rows below its first line, which names the columns",
    "cut in a quoted cell": "line 42: not a complete table: unexpected end of data",
    "cut in a row": "row 41: 2 cells for 3 columns",
    "a cell too many": "row 41: 4 cells for 3 columns",
    "a column twice": "column 'a' is there twice",
    "a column without a name": "column 2 has no name in the first line",
    "no header": "its first line is all numbers; it must name the columns",
    "a million columns": "1,000,000 columns; at most 10,000",
    "a cell of a megabyte": "line 2: not a complete table: field larger than field limit (131072)",
    "zero bytes": "has zero bytes; must be a text file",
    "another encoding": "line 1: is not text in UTF-8; a spreadsheet can save it so",
    "a number with a million digits": "column 'a' has an infinite value",
    "infinity": "column 'a' has an infinite value",
    "too large to be scaled": "column 'a' is too large to be scaled, up to 1e+308",
    "text among numbers": "column 'a', row 41: 'four' is no number, and most of the column are",
    "a name with markup": "no column is called target, label, class, y; name one by task.target=N",
    "a pipe": "cannot be read: it is a pipe, not a file",
    "a link out of the folder": "'a.csv' is a link out of the folder",
    "a path above": "ends in ''; must be a file .csv, .tsv, .jsonl, .parquet, .npy, .npz, .",
    "a name with a zero byte": "cannot be read: no file can have that name",
    "a workbook": "ends in '.xlsx'; must be a file .csv, .tsv, .jsonl, .parquet, .npy, .n",
    "JSON that is cut": "line 2: not a complete JSON file (",
    "JSON of other kinds": "row 2: column 'a' mixes kinds: x",
    "JSON of objects": "row 1: column 'a' mixes kinds: {b: 1}",
    "JSON of a list": 'line 1: must be an object, as {"a": 1, "label": "x"}',
    "JSON nested a thousand times": "line 1: nested too deep; at most 40 levels",
    "JSON of unequal steps": "row 1: 'a' has 2 steps and 'b' 1; must be as many",
    "JSON of a million columns": "100,000 columns; at most 10,000",
    "parquet that is cut": "not a complete parquet file (",
    "parquet that is no parquet": "not a complete parquet file (",
    "parquet without rows": "has no rows",
    "parquet that repeats a row": "146,800,640 rows of 1 columns; at most 134,217,728 values",
    "parquet of structures": "no column is left as an input; it has y",
    "an array of objects": "must be an array of NumPy (.npy): it holds Python objects, which are n",
    "an array that claims a petabyte": "must be an array of NumPy (.npy): it claims 1125899906842624 bytes and",
    "an array that claims a negative size": "must be an array of NumPy (.npy): it claims -8 bytes and has 0",
    "an array of complex numbers": "column 'value' has values of type complex128; must be numbers or text",
    "an array in five dimensions": "array 'value' has shape (1, 1, 1, 1, 1); must be (rows,), or (series, ",
    "a header of an array that is code": "must be an array of NumPy (.npy)",
    "an archive of objects": "must be an archive of NumPy arrays (.npz): x.npy holds Python objects,",
    "an archive that declares 8 GB": "npz unpacks to more than 512 MB",
    "an archive that claims a petabyte": "must be an archive of NumPy arrays (.npz): x.npy claims 11258999068426",
    "an archive that is cut": "must be an archive of NumPy arrays (.npz)",
    "an archive of unequal rows": "its arrays differ in rows: 'x' 4, 'y' 3",
    ".ts without data": "has no @data; must be a .ts file of UCR or UEA",
    ".ts with an unknown label": "label 'c' is none of @classLabel: a b",
    ".ts with words": "dimension 0 must be numbers",
    ".ts with other dimensions": "line 5: 1 dimensions, and 2 in the first line",
    ".ts without times": "line 4: '1,2': @timestamps true needs (time,value),(time,value)",
    ".ts with an open bracket": "line 4: a bracket is not closed; @timestamps true needs (time,value),",
    ".ts with half a pair": "line 4: '(2)': @timestamps true needs (time,value),(time,value)",
    ".ts with other times": "line 4: its dimensions have other times; they must be the same, with ? where",
    ".ts with times that are none": "its times must be numbers, or dates as 2026-11-29 08:30, one for each val",
    "more memory than there is": "would take 10.4 GB of memory, padded to the longest; at most 2; a smal",
}
"""What is wrong with a table -> a part of the line."""


def refused(name: str, folder: Path) -> str:
    """Return the line with which a table is refused."""
    write, fields = HOSTILE[name]
    path = write(folder)
    try:
        Series(**{"path": path, **fields}).pinned().training()
    except UserError as error:
        return str(error)
    raise AssertionError(f"{name}: was read")


if __name__ == "__main__":
    for case in HOSTILE:
        with tempfile.TemporaryDirectory() as place:
            inner = Path(place) / "inner"
            inner.mkdir()
            refused(case, inner)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    sys.exit(0)
