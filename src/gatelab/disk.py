"""Writing files so that whoever reads them sees the old content or the new, never a part.

What is promised is on the disk: the bytes before their name, the name before anybody is told. A write that cannot be
whole raises; a full disk is never silent.
"""

import errno
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gatelab.errors import UserError

__all__ = [
    "FULL",
    "append_whole",
    "because",
    "check_place",
    "make_folder",
    "remove_leftovers",
    "sync_folder",
    "temporary_path",
    "write_atomically",
    "write_new",
    "writing",
]

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than is allowed here",
}
"""Errors that say that there is no room -> in plain words."""

_PROBE = 2**16  # bytes that a folder must take


def because(error: OSError) -> str:
    """Return why a file could not be read or written, in a few words."""
    said = error.strerror or " ".join(str(error).split()) or type(error).__name__
    return f"{FULL[error.errno]} ({said})" if error.errno in FULL else said


@contextmanager
def writing(what: object) -> Iterator[None]:
    """Turn an OSError of the block into a UserError that says what cannot be written, and why."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{what}: cannot be written: {because(error)}") from error


def write_atomically(
    path: Path,
    data: bytes,
    *,
    durable: bool = True,
    names: bool = True,
    guard: Callable[[], None] | None = None,
    aside: Path | None = None,
    mode: int = 0o666,
    passing: Callable[[str], None] = lambda moment: None,
) -> None:
    """Give the file at ``path`` the content ``data``, durably, in one step.

    The folder must exist. After an error (OSError) or a kill the previous content is intact; an error leaves no
    temporary file behind, a kill may leave one whose name starts with a dot and ends with ``.tmp``.

    Args:
        durable: False leaves it to the system when the bytes reach the disk; for what nothing relies on.
        names: False leaves out the names in the folder, where another file is written into it right after.
        guard: called right before the new content takes its place; what it raises leaves the old content there.
        aside: where the previous content is put, if there is any, in the same folder. A kill in between leaves it
            there and nothing at ``path``.
        mode: of the file, less what the user's mask takes away.
        passing: told each moment at which a process may die, such as ``after fsync``.
    """
    # The name is unique so that two writers never share a temporary file; it lies in the same folder because a
    # rename is atomic only within one file system. os.open and not tempfile: the file gets the user's usual mode.
    temporary = temporary_path(path)
    passing("before write")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            _write(descriptor, data)
            passing("after write")
            if durable:
                os.fsync(descriptor)
        finally:
            # a network file system may say only now that there is no room
            os.close(descriptor)
        passing("after fsync")
        if guard is not None:
            guard()
        if aside is not None and path.exists():
            os.replace(path, aside)
            passing("after aside")
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    passing("after rename")
    if durable and names:
        sync_folder(path.parent)
    passing("after sync")


def write_new(path: Path, data: bytes) -> None:
    """Make a file with its content, on the disk. FileExistsError if it is there; an OSError leaves none behind."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        try:
            _write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def append_whole(descriptor: int, data: bytes) -> None:
    """Append to a file that is open for appending: all of ``data``, or nothing and an OSError.

    What a failed write has left is cut off again. Where that fails too, the error has a note, and the file ends with a
    part of ``data``.
    """
    before = os.fstat(descriptor).st_size
    try:
        _write(descriptor, data)
    except OSError as error:
        try:
            os.ftruncate(descriptor, before)
        except OSError:
            error.add_note("a part of it was written")
        raise


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it. The system may take a part and say nothing: only the next attempt says why."""
    rest = memoryview(data)
    while rest:
        written = os.write(descriptor, rest)
        if written <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[written:]


def temporary_path(path: Path) -> Path:
    """Return a name beside ``path`` that nobody else uses."""
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}.tmp")


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove the temporary files in a folder, or those of one name; nobody else may be writing them."""
    for path in folder.glob(f".{name}.*.tmp"):
        path.unlink(missing_ok=True)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder, durably, with those above it, unless it is there. Raises UserError if it cannot be made."""
    try:
        new = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(mode, parents=True, exist_ok=True)
        for place in reversed(new):
            sync_folder(place.parent)
    except OSError as error:
        raise UserError(f"{folder}: the folder cannot be made: {because(error)}") from error


def check_place(folder: Path, named: str) -> None:
    """Refuse a folder that cannot be made or written into; nothing is left in it.

    Args:
        folder: need not be there.
        named: what the user called it, such as ``runs_dir=runs/``.

    Raises:
        UserError: it is a file, or the system refuses a small file in it.
    """
    place = folder.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        which = "it" if place == folder.absolute() else str(place)
        raise UserError(f"{named}: must be a folder; {which} is a file")
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(_PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"{named}: cannot be written: {because(error)}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a rename is not on the disk before that."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot do that for folders
            raise
    finally:
        os.close(descriptor)
