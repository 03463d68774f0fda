"""The journal of a study and its mark, which holds the journal's length and hash.

Optuna appends lines without checksums. The mark is written after every batch; damage before it is detected. Lines after
it, of a search that was killed, are read unchecked.

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
    """Write the mark for the current journal. Raises UserError if it cannot be written."""
    with writing(_mark(path)):
        data = _content(path)
        text = json.dumps({"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        write_atomically(_mark(path), f"{text}\n".encode())


def forget_mark(path: Path) -> None:
    """Remove the mark of a removed journal."""
    _mark(path).unlink(missing_ok=True)


def check_journal(path: Path) -> None:
    """Raise UserError, naming the file, if the journal does not match its mark, or has an invalid line.

    A journal without a mark is older than marks, or of a search that was killed in its first batch. An incomplete
    last line is left to ``mend_journal``.
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
        raise UserError(f"{path}: damaged study: changed since it was written; another name begins another")
    # Optuna skips a last line that it cannot read, and fails once another line follows
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
    """Remove what a kill during a write leaves: an incomplete last line, and Optuna's lock."""
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
