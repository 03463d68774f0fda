"""The journal of a study, and beside it a mark: how long it was, and a hash of what it said.

Optuna appends lines and checks no sums. The mark is written after every batch; what is damaged up to it is noticed. The
lines after it, of a search that was killed, are read as they are.

    rates.journal        Optuna's
    rates.journal.mark   {"bytes": 5120, "sha256": "…"}
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from gatelab.disk import because, write_atomically, writing
from gatelab.errors import UserError

__all__ = ["check_journal", "forget_mark", "mark_journal", "mend_journal"]


def mark_journal(path: Path) -> None:
    """Note what a journal says now. Raises UserError if the mark cannot be written."""
    data = path.read_bytes()
    text = json.dumps({"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    with writing(_mark(path)):
        write_atomically(_mark(path), f"{text}\n".encode())


def forget_mark(path: Path) -> None:
    """Remove the mark of a journal that is removed."""
    _mark(path).unlink(missing_ok=True)


def check_journal(path: Path) -> None:
    """Raise UserError, naming the file, if a journal does not begin with what its mark says; one without a mark may."""
    try:
        data = _mark(path).read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{_mark(path)}: cannot be read: {because(error)}") from error
    try:
        mark = json.loads(data)
        length, wanted = int(mark["bytes"]), str(mark["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise UserError(
            f"{_mark(path)}: damaged mark of a study; without this file the study is not checked"
        ) from error
    try:
        with path.open("rb") as file:
            found = file.read(max(0, length))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {because(error)}") from error
    if len(found) != length:
        raise UserError(f"{path}: damaged study: {len(found)} of {length} bytes are there; another name begins another")
    if hashlib.sha256(found).hexdigest() != wanted:
        raise UserError(f"{path}: damaged study: not what was written; another name begins another")


def mend_journal(path: Path) -> None:
    """Remove what a death in the middle of a write left: a last line without its end, and Optuna's lock."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            print(f"warning: {path}: {len(content) - whole} bytes of an unfinished last line removed", file=sys.stderr)
            os.truncate(path, whole)
    lock = Path(f"{path}.lock")
    if lock.is_symlink():
        lock.unlink()


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.mark")
