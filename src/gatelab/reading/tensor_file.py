"""Safetensors: a header of names, dtypes, shapes and text, and the bytes of the tensors, read within limits.

A file is eight bytes with the length of the header (little-endian), the header as JSON, and the bytes of the tensors
without gaps. Everything in the header is checked before a tensor is read. The writer sorts what the library safetensors
writes in random order, so that equal content has equal bytes.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatelab.errors import UserError, one_line
from gatelab.reading.files import NoSuchFileError, open_regular, shown
from gatelab.reading.json_text import parse_json
from gatelab.reading.limits import Limits

__all__ = ["WIDTHS", "TensorEntry", "TensorFile", "tensor_bytes", "tensor_file"]

WIDTHS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
"""Dtype of a safetensors file -> bytes of one number."""

_LIMITS = Limits(size=2**23, depth=5, values=500_000)
_TEXT = "__metadata__"
_KEYS = ("dtype", "shape", "data_offsets")
_LARGEST = 2**48  # numbers in one tensor


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a file: its dtype in the file's words, its shape, and where its bytes begin and end."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class TensorFile:
    """A file whose header has been read and checked.

    Attributes:
        where: the file in errors.
        path: of the file.
        text: the metadata, name -> text.
        entries: tensors by name, in the order of their bytes.
        start: the byte of the file at which the first tensor begins.
    """

    where: str
    path: Path
    text: Mapping[str, str]
    entries: Mapping[str, TensorEntry]
    start: int

    def read(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, bytearray]]:
        """Yield name and bytes of all tensors, or of some, one at a time.

        Raises:
            UserError: the file has become shorter since its header was read.
        """
        try:
            with open_regular(self.path) as file:
                for name in self.entries if names is None else names:
                    entry = self.entries[name]
                    data = bytearray(entry.end - entry.begin)
                    file.seek(self.start + entry.begin)
                    _fill(file, data, self.where)
                    yield name, data
        except OSError as error:
            raise UserError(f"{self.where}: cannot be read: {error.strerror}") from None


def _fill(file: Any, target: bytearray, where: str) -> None:
    rest = memoryview(target)
    while rest:
        count = file.readinto(rest)  # of a large tensor the system may return a part
        if not count:
            raise UserError(f"{where}: the file ends before its last tensor does")
        rest = rest[count:]


def tensor_file(path: Path | str) -> TensorFile:
    """Return the checked header of a safetensors file.

    Raises:
        NoSuchFileError: there is none.
        UserError: it cannot be read; its header is too large, no JSON or of another form; tensors overlap, leave a
            gap, or do not end where the file does.
    """
    where = shown(path, None)
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little") if size >= 8 else 0
            if not 2 <= length <= size - 8:
                raise UserError(f"{where}: not a safetensors file: a header of {length} bytes in a file of {size}")
            if length > _LIMITS.size:
                raise UserError(f"{where}: a header of {length} bytes; at most {_LIMITS.size}")
            header = bytearray(length)
            _fill(file, header, where)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoSuchFileError(f"{where}: cannot be read: {error.strerror}") from None
    except OSError as error:
        raise UserError(f"{where}: cannot be read: {error.strerror}") from None
    except ValueError:  # a name with a zero character
        raise NoSuchFileError(f"{where}: cannot be read: no file can have that name") from None
    content = parse_json(bytes(header), f"{where}, header", limits=_LIMITS)
    if not isinstance(content, dict):
        raise UserError(f"{where}: not a safetensors file: its header must be a mapping")
    text = content.pop(_TEXT, {})
    if not isinstance(text, dict) or not all(isinstance(value, str) for value in text.values()):
        raise UserError(f"{where}: not a safetensors file: its {_TEXT} must be a mapping of text")
    entries = {name: _entry(value, f"{where}: tensor '{one_line(name)}'") for name, value in content.items()}
    ordered = dict(sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)))
    _check_places(ordered, size - 8 - length, where)
    return TensorFile(where, Path(path), text, ordered, 8 + length)


def _entry(value: Any, where: str) -> TensorEntry:
    if not isinstance(value, dict) or set(value) != set(_KEYS):
        raise UserError(f"{where}: must have {', '.join(_KEYS)}")
    dtype, shape, places = (value[key] for key in _KEYS)
    if not isinstance(dtype, str) or dtype not in WIDTHS:
        raise UserError(f"{where}: dtype={one_line(dtype)}: must be one of {', '.join(WIDTHS)}")
    if not isinstance(shape, list) or len(shape) > 8 or not all(map(_is_size, shape)) or math.prod(shape) > _LARGEST:
        raise UserError(f"{where}: shape={one_line(shape)}: must be at most 8 sizes, of at most {_LARGEST} numbers")
    if not isinstance(places, list) or len(places) != 2 or not all(map(_is_size, places)):
        raise UserError(f"{where}: data_offsets={one_line(places)}: must be two bytes, where it begins and ends")
    begin, end = places
    if end - begin != math.prod(shape) * WIDTHS[dtype]:
        raise UserError(f"{where}: {end - begin} bytes for {dtype} of shape {shape}")
    return TensorEntry(dtype, tuple(shape), begin, end)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _check_places(entries: Mapping[str, TensorEntry], size: int, where: str) -> None:
    """Refuse tensors that overlap, leave a gap, or end elsewhere than the file."""
    end = 0
    for name, entry in entries.items():
        if entry.begin != end:
            kind = "overlaps the one before" if entry.begin < end else "leaves a gap before it"
            raise UserError(f"{where}: tensor '{one_line(name)}' {kind}: byte {entry.begin} after {end}")
        end = entry.end
    if end != size:
        raise UserError(f"{where}: {size} bytes of tensors, but the header has {end}: the file is cut or damaged")


def tensor_bytes(text: Mapping[str, str], tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]]) -> bytes:
    """Return a safetensors file; of equal content always the same bytes.

    Args:
        text: the metadata.
        tensors: name -> dtype in the file's words, shape and bytes (little-endian, C order).

    Raises:
        UserError: the header is too large to be read again.
    """
    header: dict[str, Any] = {_TEXT: dict(text)} if text else {}
    begin = 0
    for name, (dtype, shape, data) in tensors.items():
        places = [begin, begin + len(data)]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": places}
        begin = places[1]
    written = json.dumps(header, separators=(",", ":")).encode()
    written += b" " * (-len(written) % 8)  # so that tensors are aligned
    if len(written) > _LIMITS.size:
        raise UserError(f"a header of {len(written)} bytes cannot be read again; at most {_LIMITS.size}")
    return b"".join([len(written).to_bytes(8, "little"), written, *(data for _, _, data in tensors.values())])
