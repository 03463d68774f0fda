"""Archives of NumPy arrays (.npz), read as data: no pickle, and nothing is unpacked before its size is known."""

import io
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gatelab.errors import UserError
from gatelab.reading.files import read_bytes, shown
from gatelab.reading.limits import Limits

__all__ = ["read_npy", "read_npz"]

_MOST_BYTES = 2**29


def read_npz(path: Path | str, where: str | None = None, most: int = _MOST_BYTES) -> dict[str, NDArray[Any]]:
    """Return name -> array of an archive that ``np.savez`` wrote.

    Args:
        where: the name of the file in errors; its path if not given.
        most: bytes of the file, and of what it unpacks to.

    Raises:
        NoSuchFileError: there is none.
        UserError: no archive, damaged, too large, or with an array of Python objects.
    """
    content, where = read_bytes(path, where, limits=Limits(size=most)), shown(path, where)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            members = packed.infolist()
            if sum(member.file_size for member in members) > most:
                raise UserError(f"{where} unpacks to more than {most >> 20} MB")
            return {member.filename.removesuffix(".npy"): _array(packed, member) for member in members}
    except (OSError, ValueError, KeyError, EOFError, MemoryError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{where}: must be an archive of NumPy arrays (.npz): {error}") from None
    except (zipfile.BadZipFile, zlib.error):
        raise UserError(f"{where}: must be an archive of NumPy arrays (.npz)") from None


def read_npy(path: Path | str, where: str | None = None, most: int = _MOST_BYTES) -> NDArray[Any]:
    """Return the array of a file that ``np.save`` wrote. Arguments and errors as of :func:`read_npz`."""
    content, where = read_bytes(path, where, limits=Limits(size=most)), shown(path, where)
    try:
        opened = io.BytesIO(content)
        _check_header(opened, len(content), "it")
        array: NDArray[Any] = npy.read_array(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise UserError(f"{where}: must be an array of NumPy (.npy): {error}") from None
    return array


def _array(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with packed.open(member) as opened:
        _check_header(opened, member.file_size, member.filename)
    with packed.open(member) as opened:
        array: NDArray[Any] = npy.read_array(opened, allow_pickle=False)
    return array


def _check_header(opened: IO[bytes], whole: int, name: str) -> None:
    shape, kind = _header(opened)
    if kind.hasobject:
        raise ValueError(f"{name} holds Python objects, which are not read")
    size, there = kind.itemsize, whole - opened.tell()
    for length in shape:
        size *= length
    if size != there:  # NumPy would make room for whatever the header claims
        raise ValueError(f"{name} claims {size} bytes and has {there}")


def _header(opened: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(opened)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, kind = read(opened)
    return shape, kind
