"""What a store needs of its file system: files created and replaced in one step; probed before a run is written."""

import os
import shutil
import tempfile
from pathlib import Path

from gatelab.disk import because
from gatelab.errors import UserError

__all__ = ["check_file_system"]

_checked: set[tuple[int, str]] = set()


def check_file_system(runs_dir: Path) -> None:
    """Refuse a folder for runs whose file system cannot create a file once, or replace one by rename.

    Claims rest on the first, everything that is written on the second. Each folder is probed once in a process; the
    folder need not exist yet, and the probe leaves nothing in it.

    Raises:
        UserError: in one line, with the reason.
    """
    place = runs_dir.absolute()
    while not place.is_dir():
        place = place.parent
    seen = (os.getpid(), str(place))
    if seen in _checked:
        return
    try:
        folder = Path(tempfile.mkdtemp(prefix=".probe.", suffix=".tmp", dir=place))
        try:
            lacking = _lacking(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise UserError(f"runs_dir={runs_dir}: cannot be written: {because(error)}") from error
    if lacking:
        raise UserError(
            f"runs_dir={runs_dir}: its file system cannot hold a store: {lacking}; "
            "runs need a folder where files are created and replaced in one step, as on a local disk"
        )
    _checked.add(seen)


def _lacking(folder: Path) -> str:
    """Return what the file system of a folder lacks, with the reason; nothing if it has all."""
    first, second = folder / "first", folder / "second"
    _create(first, b"first")
    try:
        _create(first, b"again")
    except FileExistsError:
        pass
    else:
        return "a file that exists can be created again"
    _create(second, b"second")
    try:
        _rename(second, first)
    except OSError as error:
        return f"a file cannot be replaced by rename ({because(error)})"
    if second.exists() or first.read_bytes() != b"second":
        return "a rename does not replace a file"
    return ""


def _create(path: Path, data: bytes) -> None:
    """Make a file. FileExistsError if it exists."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


_rename = os.replace
