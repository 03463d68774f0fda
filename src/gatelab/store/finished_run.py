"""A finished run: its result, and the check that its files have not changed.

result.json is written last. Its last entry is a seal: the sha256 of every other file of the run, and of everything
before the seal in result.json. A run older than seals has none, and is read without this check.

    "seal": {
      "files": {
        "checkpoint/best.pt": "…",
        "config.yaml": "…",
        "metrics.jsonl": "…",
        "provenance.json": "…"
      },
      "sha256": "…"
    }
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatelab.disk import because
from gatelab.errors import UserError, one_line
from gatelab.reading import NoSuchFileError, open_regular, parse_json, read_bytes
from gatelab.store.json_numbers import json_text
from gatelab.store.result import FIELDS, Result

__all__ = [
    "RESULT",
    "SEALED",
    "Damaged",
    "DamagedRunError",
    "Finished",
    "file_hash",
    "finished_of",
    "read_finished",
    "sealed_result",
]

RESULT = "result.json"
SEALED = ("config.yaml", "metrics.jsonl", "provenance.json", "checkpoint/best.pt", "checkpoint/last.pt")
"""The files of a run that its seal covers, if they exist."""
_LONGEST = 200  # characters of a reason
_LONGEST_LINE = 600
_DIGITS = 64
_BEFORE, _AFTER = b'"sha256": "', b'"\n  }\n}\n'


@dataclass(frozen=True, slots=True)
class Damaged:
    """A finished run that is damaged."""

    identity: str
    file: str
    """The first of its files that has changed, with its folder."""
    reason: str
    """In a few words."""

    def __str__(self) -> str:
        # the reason may quote a forged file
        return one_line(f"{self.file}: {self.reason}", _LONGEST_LINE)


class DamagedRunError(UserError):
    """A file of a finished run has changed."""

    def __init__(self, damaged: Damaged) -> None:
        super().__init__(str(damaged))
        self.damaged = damaged


@dataclass(frozen=True, slots=True)
class Finished:
    """The content of result.json."""

    result: Result
    files: Mapping[str, str] | None
    """File below the run's folder -> sha256 in hex; None without a seal."""
    pruned: Mapping[str, str]
    """The same of checkpoints that `store prune` has removed."""

    def check(self, folder: str, *, checkpoints: bool, contents: dict[str, bytes] | None = None) -> None:
        """Read the files that the seal names, into ``contents`` if given.

        Raises DamagedRunError for the first that has changed.
        """
        for name, wanted in (self.files or {}).items():
            if checkpoints or not name.startswith("checkpoint/"):
                path = f"{folder}{os.sep}{name}"
                try:
                    found = file_hash(path) if contents is None else _kept(path, name, contents)
                except FileNotFoundError:
                    raise _damaged(self.result.identity, path, "missing") from None
                except OSError as error:
                    raise _damaged(self.result.identity, path, f"cannot be read: {because(error)}") from error
                if found != wanted:
                    raise _damaged(self.result.identity, path, "damaged: changed since the run finished")


def file_hash(path: str | Path) -> str:
    """Return the sha256 of a regular file, in hex. Raises OSError."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kept(path: str, name: str, contents: dict[str, bytes]) -> str:
    with open_regular(path) as file:
        contents[name] = file.readall()
    return hashlib.sha256(contents[name]).hexdigest()


def sealed_result(
    result: Mapping[str, Any], files: Mapping[str, str], pruned: Mapping[str, str] | None = None
) -> bytes:
    """Return result.json of a run.

    Args:
        result: its fields.
        files: file below the run's folder -> sha256 in hex.
        pruned: the same of those that were removed on purpose.
    """
    named = {"files": dict(files), **({"pruned": dict(pruned)} if pruned else {}), "sha256": ""}
    text = json_text({**result, "seal": named}, indent=2)
    body = f"{text}\n".encode().removesuffix(_AFTER)
    return body + hashlib.sha256(body).hexdigest().encode() + _AFTER


def read_finished(folder: str, identity: str) -> Finished | None:
    """Return the content of a run's result.json; None if there is none.

    Raises:
        DamagedRunError: it has changed.
    """
    path = f"{folder}{os.sep}{RESULT}"
    try:
        data = read_bytes(path)
    except NoSuchFileError:
        return None
    except UserError as error:
        raise _damaged(identity, path, f"damaged result: {str(error).removeprefix(f'{path}: ')}") from error
    return finished_of(data, path, identity)


def finished_of(data: bytes, path: str, identity: str) -> Finished:
    """Return the content of the bytes of a result.json. Raises DamagedRunError, naming ``path``, if they changed."""
    try:
        # a sealed result is unchanged: checking every number would take most of the time
        mapping = json.loads(data) if _holds(data) else parse_json(data, path)
        if not isinstance(mapping, dict):
            raise ValueError("an object was expected")
        files, pruned = _sealed_files(data, mapping)
        result = Result.from_mapping(mapping)
        if result.identity != identity:
            raise ValueError(f"it belongs to run {result.identity}")
    except (UserError, ValueError, RecursionError) as error:
        raise _damaged(identity, path, f"damaged result: {str(error).removeprefix(f'{path}: ')}") from error
    return Finished(result, files, pruned)


def _sealed_files(data: bytes, mapping: Mapping[str, Any]) -> tuple[dict[str, str] | None, dict[str, str]]:
    """Return the files that a seal names (None without one) and the pruned. Raises ValueError for a broken seal."""
    if not mapping.keys() - FIELDS:
        return None, {}
    # an entry that is no field: the seal, or a part of it
    if not _holds(data):
        raise ValueError("its content has changed, or its seal is broken")
    seal = mapping.get("seal")
    named = [seal.get("files"), seal.get("pruned", {})] if isinstance(seal, dict) else []
    # a forged seal must not make us read other files
    if not named or not all(isinstance(files, dict) and files.keys() <= set(SEALED) for files in named):
        raise ValueError("its seal is broken")
    files, pruned = ({name: str(digest) for name, digest in one.items()} for one in named)
    return files, pruned


def _holds(data: bytes) -> bool:
    """Return whether a result ends with the seal of everything before it."""
    end = len(data) - len(_AFTER) - _DIGITS
    if end < 0 or not data.endswith(_AFTER) or not data.endswith(_BEFORE, 0, end):
        return False
    return hashlib.sha256(data[:end]).hexdigest().encode() == data[end : end + _DIGITS]


def _damaged(identity: str, file: str, reason: str) -> DamagedRunError:
    line = " ".join(reason.split())
    return DamagedRunError(Damaged(identity, file, line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"))
