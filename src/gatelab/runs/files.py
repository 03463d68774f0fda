"""Writing files so that whoever reads them sees the old content or the new, never a part."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

from gatelab.errors import UserError
from gatelab.runs.crashes import crash_point

__all__ = ["make_folder", "remove_leftovers", "sync_folder", "write_atomically"]


def write_atomically(
    path: Path,
    data: bytes,
    *,
    durable: bool = True,
    names: bool = True,
    guard: Callable[[], None] | None = None,
    aside: Path | None = None,
) -> None:
    """Give the file at ``path`` the content ``data``, durably, in one step.

    The folder must exist. After an error (OSError) or a kill the previous content is intact; an error leaves no
    temporary file behind, a kill may leave one whose name starts with a dot and ends with ``.tmp``.

    Args:
        durable: False leaves it to the system when the bytes reach the disk; for what can be had again.
        names: False leaves out the names in the folder, where another file is written into it right after.
        guard: called right before the new content takes its place; what it raises leaves the old content there.
        aside: where the previous content is put, if there is any, in the same folder. A kill in between leaves it
            there and nothing at ``path``.
    """
    # The name is unique so that two writers never share a temporary file; it lies in the same folder because a
    # rename is atomic only within one file system. os.open and not tempfile: the file gets the user's usual mode.
    temporary = temporary_path(path)
    crash_point_of("before write", path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            crash_point_of("after write", path)
            if durable:
                os.fsync(file.fileno())
        crash_point_of("after fsync", path)
        if guard is not None:
            guard()
        if aside is not None and path.exists():
            os.replace(path, aside)
            crash_point("after aside last.pt")
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    crash_point_of("after rename", path)
    if durable and names:
        sync_folder(path.parent)
    crash_point_of("after sync", path)


def crash_point_of(moment: str, path: Path) -> None:
    """Pass a crash point of the writing of a file."""
    crash_point(f"{moment} {path.name}")


def temporary_path(path: Path) -> Path:
    """Return a name beside ``path`` that nobody else uses."""
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}.tmp")


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files in a folder; nobody else may be writing there."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder, durably, unless it is there. Raises UserError if it cannot be made."""
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
    except OSError as error:
        raise UserError(f"{folder}: the folder cannot be made: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a rename is not on the disk before that."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
