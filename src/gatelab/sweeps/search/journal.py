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
from gatelab.errors import UserError, one_line
from gatelab.reading import NoSuchFileError, open_regular, read_json

__all__ = ["check_journal", "forget_mark", "mark_journal", "mend_journal"]


def mark_journal(path: Path) -> None:
    """Note what a journal says now. Raises UserError if the mark cannot be written."""
    with writing(_mark(path)):
        data = _content(path)
        text = json.dumps({"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        write_atomically(_mark(path), f"{text}\n".encode())


def forget_mark(path: Path) -> None:
    """Remove the mark of a journal that is removed."""
    _mark(path).unlink(missing_ok=True)


def check_journal(path: Path) -> None:
    """Raise UserError, naming the file, if a journal does not begin with what its mark says, or has a line of no use.

    A journal without a mark is one of before there were marks, or of a search that was killed in its first batch. A
    last line without its end is left to ``mend_journal``.
    """
    try:
        data = _content(path)
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {because(error)}") from error
    length, wanted = _read_mark(_mark(path))
    if len(data) < length:
        raise UserError(f"{path}: damaged study: {len(data)} of {length} bytes are there; another name begins another")
    if wanted and hashlib.sha256(data[:length]).hexdigest() != wanted:
        raise UserError(f"{path}: damaged study: not what was written; another name begins another")
    # Optuna passes over a last line that it cannot read, and stumbles over it once there is another
    for line in data[length:].split(b"\n")[:-1]:
        try:
            whole = isinstance(json.loads(line), dict)
        except (ValueError, RecursionError):
            whole = False
        if not whole:
            shown = one_line(line.decode(errors="replace"))
            raise UserError(f"{path}: damaged study: '{shown}' is no line of a journal")


def _read_mark(path: Path) -> tuple[int, str]:
    """Return the length and the hash in a mark; 0 and nothing without one."""
    try:
        mark = read_json(path)
    except NoSuchFileError:
        return 0, ""
    length, wanted = (mark.get("bytes"), mark.get("sha256")) if isinstance(mark, dict) else (None, None)
    if type(length) is not int or length < 0 or not isinstance(wanted, str):
        raise UserError(f"{path}: damaged mark of a study; without this file the study is not checked")
    return length, wanted


def mend_journal(path: Path) -> None:
    """Remove what a death in the middle of a write left: a last line without its end, and Optuna's lock."""
    if path.exists():
        content = _content(path)
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            print(f"warning: {path}: {len(content) - whole} bytes of an unfinished last line removed", file=sys.stderr)
            os.truncate(path, whole)
    lock = Path(f"{path}.lock")
    if lock.is_symlink():
        lock.unlink()


def _content(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.readall()


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.mark")
