"""Safetensors: what the library wrote is read, what we write the library reads, and a damaged header is one line."""

import json
import os
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gatelab.errors import UserError
from gatelab.reading.tensor_file import tensor_bytes, tensor_file

ARRAYS: dict[str, Any] = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.array(2.5, dtype=np.float64),
    "none": np.zeros((0, 3), dtype=np.int64),
    "whole": np.array([1, 2], dtype=np.uint8),
}
WORDS = {"float32": "F32", "float64": "F64", "int64": "I64", "uint8": "U8"}


def ours(arrays) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: (WORDS[str(array.dtype)], array.shape, array.tobytes()) for name, array in arrays.items()}


def test_what_the_library_wrote_is_read(tmp_path):
    save_file(ARRAYS, tmp_path / "x.safetensors", {"by": "hand"})
    file = tensor_file(tmp_path / "x.safetensors")
    assert file.text == {"by": "hand"}
    assert {name: entry.shape for name, entry in file.entries.items()} == {n: a.shape for n, a in ARRAYS.items()}
    for name, data in file.read():
        assert bytes(data) == ARRAYS[name].tobytes()
    assert [name for name, _ in file.read(["a"])] == ["a"]


def test_the_library_reads_what_we_write(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(tensor_bytes({"by": "us"}, ours(ARRAYS)))
    read = load_file(tmp_path / "x.safetensors")
    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype
        assert np.array_equal(read[name], array)


def header(**changes) -> dict:
    """Return a header of two tensors in 12 bytes."""
    plain = {
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "F16", "shape": [2, 1], "data_offsets": [8, 12]},
    }
    return {**plain, **changes}


def entry(**changes) -> dict:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


HEADERS = {
    "overlap": (header(b=entry(dtype="F16", shape=[2], data_offsets=[4, 8])), "overlaps the one before: byte 4 after"),
    "gap": (header(b=entry(dtype="F16", shape=[1], data_offsets=[10, 12])), "leaves a gap before it: byte 10 after 8"),
    "more than the file": (header(b=entry(data_offsets=[8, 16])), "12 bytes of tensors, but the header has 16"),
    "fewer than the file": ({"a": entry()}, "12 bytes of tensors, but the header has 8"),
    "bytes do not fit": (header(a=entry(shape=[3])), "tensor 'a': 8 bytes for F32 of shape [3]"),
    "huge": (header(a=entry(shape=[2**40, 2**40])), "tensor 'a': shape="),
    "many axes": (header(a=entry(shape=[1] * 9)), "must be at most 8 sizes"),
    "negative": (header(a=entry(shape=[-2])), "shape=[-2]"),
    "fraction": (header(a=entry(shape=[2.0])), "shape=[2.0]"),
    "true": (header(a=entry(shape=[True, 2])), "shape=[true, 2]"),
    "offsets": (header(a=entry(data_offsets=[8, 0])), "-8 bytes for F32"),
    "one offset": (header(a=entry(data_offsets=[8])), "data_offsets=[8]"),
    "dtype": (header(a=entry(dtype="F31")), "dtype=F31: must be one of BOOL"),
    "dtype of no text": (header(a=entry(dtype=["F32"])), "dtype=[F32]"),
    "a key more": (header(a=entry(code="x")), "tensor 'a': must have dtype, shape, data_offsets"),
    "a key less": (header(a={"dtype": "F32"}), "tensor 'a': must have dtype, shape, data_offsets"),
    "no mapping": (header(a=3), "tensor 'a': must have dtype, shape, data_offsets"),
    "a list": ([], "its header must be a mapping"),
    "metadata of numbers": (header(__metadata__={"a": 1}), "its __metadata__ must be a mapping of text"),
    "metadata of a list": (header(__metadata__=["a"]), "its __metadata__ must be a mapping of text"),
    "control characters": (header(**{"a\x1b[31m\n": 3}), "must have dtype"),
}
BYTES = {
    "empty": (b"", "a header of 0 bytes in a file of 0"),
    "seven bytes": (b"1234567", "a header of 0 bytes in a file of 7"),
    "longer than the file": ((100).to_bytes(8, "little") + b"{}", "a header of 100 bytes in a file of 10"),
    "huge length": ((2**63).to_bytes(8, "little") + b"{}", "bytes in a file of 10"),
    "no JSON": ((4).to_bytes(8, "little") + b"{{{{", "not a complete JSON file"),
    "not UTF-8": ((4).to_bytes(8, "little") + b"\xff\xfe{}", "not UTF-8"),
    "a name twice": ((14).to_bytes(8, "little") + b'{"a":1,"a":2} ', "key 'a' is there twice"),
    "nested deep": ((2000).to_bytes(8, "little") + b"[" * 2000, "nested too deep|not a complete JSON"),
    "a zip": (b"PK\x03\x04" + b"\0" * 40, "bytes in a file of 44"),
    "a pickle": (b"\x80\x04\x95\x0b\0\0\0\0\0\0\0C\x07", "a header of"),
}


@pytest.mark.parametrize("content, line", HEADERS.values(), ids=HEADERS)
def test_a_damaged_header_is_one_line(tmp_path, content, line):
    text = json.dumps(content).encode()
    (tmp_path / "x").write_bytes(len(text).to_bytes(8, "little") + text + bytes(12))
    with pytest.raises(UserError) as raised:
        tensor_file(tmp_path / "x")
    assert line in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("content, line", BYTES.values(), ids=BYTES)
def test_other_bytes_are_one_line(tmp_path, content, line):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(UserError, match=line):
        tensor_file(tmp_path / "x")


def test_a_header_that_says_to_be_large_is_not_read(tmp_path):
    with (tmp_path / "x").open("wb") as file:
        file.write((2**40).to_bytes(8, "little"))
        file.truncate(2**41)  # sparse: it takes no room on the disk
    with pytest.raises(UserError, match=r"a header of 1099511627776 bytes; at most 8388608$"):
        tensor_file(tmp_path / "x")


def test_a_file_that_became_shorter_is_one_line(tmp_path):
    (tmp_path / "x").write_bytes(tensor_bytes({}, ours(ARRAYS)))
    file = tensor_file(tmp_path / "x")
    os.truncate(tmp_path / "x", file.start + 8)
    with pytest.raises(UserError, match="the file ends before its last tensor does"):
        dict(file.read())


@pytest.mark.parametrize("place", ["absent", ".", "a\0b"])
def test_what_is_no_file_is_one_line(tmp_path, place):
    with pytest.raises(UserError, match="cannot be read"):
        tensor_file(f"{tmp_path}/{place}")


def test_a_header_that_could_not_be_read_again_is_not_written():
    with pytest.raises(UserError, match="cannot be read again"):
        tensor_bytes({"a": "x" * 2**23}, {})
