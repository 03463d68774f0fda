"""Writing files so that whoever reads them sees the old content or the new, never a part."""

import os
import uuid
from pathlib import Path

__all__ = ["sync_folder", "write_atomically"]


def write_atomically(path: Path, data: bytes) -> None:
    """Give the file at ``path`` the content ``data``, durably, in one step.

    The folder must exist. After an error (OSError) or a kill the previous content is intact; an error leaves no
    temporary file behind, a kill may leave one whose name starts with a dot and ends with ``.tmp``.
    """
    # The name is unique so that two writers never share a temporary file; it lies in the same folder because a
    # rename is atomic only within one file system. os.open and not tempfile: the file gets the user's usual mode.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a rename is not on the disk before that."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
