"""Writing files so that a reader sees the old content or the new, never a part.

Writes are durable: the bytes are flushed before the rename, and the rename before the call returns. An incomplete
write raises; a full disk is never ignored.
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
"""Error numbers of a full disk -> message."""

_PROBE = 2**16  # bytes written to test a folder


def because(error: OSError) -> str:
    """Return why a file could not be read or written, in a few words."""
    said = error.strerror or " ".join(str(error).split()) or type(error).__name__
    return f"{FULL[error.errno]} ({said})" if error.errno in FULL else said


@contextmanager
def writing(what: object) -> Iterator[None]:
    """Turn an OSError of the block into a UserError with the file and the reason."""
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
        durable: False does not flush to the disk; for files that nothing relies on.
        names: False does not flush the folder; if another file is written into it right after.
        guard: called right before the rename; if it raises, the old content stays.
        aside: a path in the same folder to which previous content is moved. A kill in between leaves it there and
            nothing at ``path``.
        mode: of the file, reduced by the user's umask.
        passing: called at each point at which a process may die, such as ``after fsync``.
    """
    # The name is unique so that two writers never share a temporary file; it is in the same folder because a
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
            # a network file system may report a full disk only now
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
    """Make a file with its content, on the disk. FileExistsError if it exists; after an OSError there is no file."""
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

    The part of a failed write is cut off again. If that fails too, the error has a note, and the file ends with a part
    of ``data``.
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
    """Write all of it. The system may write only a part without an error: only the next attempt raises it."""
    rest = memoryview(data)
    while rest:
        written = os.write(descriptor, rest)
        if written <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[written:]


def temporary_path(path: Path) -> Path:
    """Return a unique name beside ``path``."""
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}.tmp")


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove the temporary files in a folder, or those of one name; no other process may be writing them."""
    for path in folder.glob(f".{name}.*.tmp"):
        path.unlink(missing_ok=True)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder, durably, with its parents, unless it exists. Raises UserError if it cannot be made."""
    try:
        new = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(mode, parents=True, exist_ok=True)
        for place in reversed(new):
            sync_folder(place.parent)
    except OSError as error:
        raise UserError(f"{folder}: the folder cannot be made: {because(error)}") from error


def check_place(folder: Path, named: str) -> None:
    """Refuse a folder that cannot be made or written into; leaves no file in it.

    Args:
        folder: may not exist yet.
        named: the user's name for it, such as ``runs_dir=runs/``.

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
    """Flush the names in a folder: only then is a rename on the disk."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system without fsync for folders
            raise
    finally:
        os.close(descriptor)
