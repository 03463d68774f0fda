"""Regular files, read whole up to a size."""

import csv
import errno
import io
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from gatelab.errors import UserError, one_line
from gatelab.reading.limits import Limits

__all__ = [
    "NoSuchFileError",
    "check_regular",
    "open_regular",
    "read_bytes",
    "read_rows",
    "read_text",
    "shown",
    "text_of",
]


class NoSuchFileError(UserError):
    """The file is absent."""


def open_regular(path: Path | str) -> io.FileIO:
    """Open a file of any size for reading, without a buffer. Raises OSError, also if it is no regular file."""
    try:
        # opening a pipe without a writer would wait here for ever
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:  # the system's error for a socket
            raise OSError(errno.EINVAL, "it is a socket, not a file") from None
        raise
    if kind := _other_kind(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {kind}, not a file")
    return io.FileIO(descriptor)


def check_regular(path: Path | str) -> None:
    """Raise UserError if the path is a folder, a pipe or another special file, or a broken link.

    A missing file is no error.
    """
    try:
        kind = _other_kind(os.stat(path).st_mode)
    except FileNotFoundError:
        kind = "a link to nothing" if os.path.islink(path) else ""
    except OSError as error:
        raise UserError(f"{shown(path, None)}: cannot be read: {error.strerror}") from None
    if kind:
        raise UserError(f"{shown(path, None)}: it is {kind}, not a file; move it away")


def _other_kind(mode: int) -> str:
    """Return the kind of a mode; an empty string for a regular file."""
    if stat.S_ISREG(mode):
        return ""
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def read_bytes(path: Path | str, where: str | None = None, *, limits: Limits | None = None) -> bytes:
    """Return the content of a regular file.

    Args:
        where: the name of the file in errors; its path if not given.

    Raises:
        NoSuchFileError: there is none.
        UserError: it cannot be read, is no regular file, or is too large.
    """
    where = shown(path, where)
    largest = (limits or Limits()).size
    try:
        file = open_regular(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoSuchFileError(f"{where}: cannot be read: {error.strerror}") from None
    except OSError as error:
        raise UserError(f"{where}: cannot be read: {error.strerror}") from None
    except ValueError:  # a name with a zero character
        raise NoSuchFileError(f"{where}: cannot be read: no file can have that name") from None
    try:
        with file:
            size = os.fstat(file.fileno()).st_size
            if size > largest:
                raise UserError(f"{where}: too large: {size} bytes; at most {largest}")
            with io.BufferedReader(file) as buffered:
                content = buffered.read(largest + 1)
    except OSError as error:
        raise UserError(f"{where}: cannot be read: {error.strerror}") from None
    if len(content) > largest:  # it grew, or is one of those that do not tell their size
        raise UserError(f"{where}: too large: at most {largest} bytes")
    return content


def read_text(path: Path | str, where: str | None = None, *, limits: Limits | None = None) -> str:
    """Return the content of a regular file of UTF-8 text. Raises as :func:`read_bytes`, and for other encodings."""
    return text_of(read_bytes(path, where, limits=limits), shown(path, where))


def read_rows(
    path: Path | str, where: str | None = None, *, columns: Sequence[str] = (), limits: Limits | None = None
) -> list[dict[str, str]]:
    """Return the rows of a CSV file by the names in its first line; a row that ends early lacks the last ones.

    Args:
        columns: which it must have.

    Raises:
        UserError: as :func:`read_text`; a row of more cells than columns, a column that is absent or there twice.
    """
    where = shown(path, where)
    reader = csv.reader(read_text(path, where, limits=limits).splitlines(keepends=True), strict=True)
    rows: list[dict[str, str]] = []
    try:
        header = next(reader, [])
        if twice := next((name for name in header if header.count(name) > 1), None):
            raise UserError(f"{where}: column '{one_line(twice)}' is there twice")
        if missing := [name for name in columns if name not in header]:
            raise UserError(f"{where}: no column '{missing[0]}'")
        for cells in reader:
            if len(cells) > len(header):
                raise UserError(f"{where}, line {reader.line_num}: {len(cells)} cells for {len(header)} columns")
            if cells:
                rows.append(dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        raise UserError(f"{where}, line {reader.line_num}: not CSV: {error}") from None
    return rows


def text_of(content: bytes, where: str) -> str:
    """Return the text that bytes are in UTF-8. Raises UserError if they are none."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{where}: cannot be read: not UTF-8 text (line {line})") from None


def shown(path: Path | str, where: str | None = None) -> str:
    """Return the name of a file in errors."""
    return one_line(path if where is None else where, 200)
