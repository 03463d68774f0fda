"""Tensors beside an ONNX file: read only within its folder, through no link, and only the bytes that a shape needs."""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from gatelab.errors import UserError, one_line

__all__ = ["external_bytes"]

_KEYS = ("location", "offset", "length", "checksum")
_DEEPEST = 16  # folders below that of the file


def external_bytes(entries: Iterable[Any], size: int, folder: Path, where: str) -> bytes:
    """Return the bytes of a tensor that lie in another file.

    Args:
        entries: keys and values, as ``TensorProto.external_data`` has them.
        size: bytes that the shape needs.
        folder: of the ONNX file.
        where: the tensor in errors.

    Raises:
        UserError: a place outside the folder, or behind a link; no regular file; other bytes than the shape needs.
    """
    facts: dict[str, str] = {}
    for entry in entries:
        if entry.key not in _KEYS or entry.key in facts:
            raise UserError(f"{where}: external data: unknown or repeated key '{one_line(entry.key)}'")
        facts[entry.key] = entry.value
    location = facts.get("location", "")
    offset = _number(facts.get("offset", "0"), "offset", where)
    length = _number(facts["length"], "length", where) if "length" in facts else None
    parts = _parts(location, where)
    descriptor = _opened(folder, parts, f"{where}: external data in '{one_line(location)}'")
    with os.fdopen(descriptor, "rb") as file:
        whole = os.fstat(file.fileno()).st_size
        length = whole - offset if length is None else length
        if length != size or offset + length > whole:
            raise UserError(
                f"{where}: external data: bytes {offset} to {offset + length} of a file of {whole}; "
                f"its shape needs {size}"
            )
        file.seek(offset)
        content = file.read(size)
    if len(content) != size:
        raise UserError(f"{where}: external data: the file became shorter")
    return content


def _number(text: str, key: str, where: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise UserError(f"{where}: external data: {key}={one_line(text)}: must be a whole number, at least 0")
    return int(text)


def _parts(location: str, where: str) -> tuple[str, ...]:
    path = PurePosixPath(location)
    if not location or "\\" in location or "\0" in location or path.is_absolute() or ".." in path.parts:
        raise UserError(
            f"{where}: external data in '{one_line(location)}': must be a file within the folder of the ONNX file"
        )
    if not 0 < len(path.parts) <= _DEEPEST:
        raise UserError(f"{where}: external data in '{one_line(location)}': must be at most {_DEEPEST} folders deep")
    return path.parts


def _opened(folder: Path, parts: tuple[str, ...], where: str) -> int:
    """Return a descriptor of the file. Each part is opened within the one before, so that no link is followed."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for depth, part in enumerate(parts):
            kind = os.O_DIRECTORY if depth < len(parts) - 1 else os.O_NONBLOCK  # a pipe is not waited for
            below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=place)
            os.close(place)
            place = below
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise UserError(f"{where}: it is not a file")
    except OSError as error:
        os.close(place)
        link = "it is a link, which is not followed" if error.errno == errno.ELOOP else error.strerror
        raise UserError(f"{where}: cannot be read: {link}") from None
    except UserError:
        os.close(place)
        raise
    return place
