"""The store: a folder of runs, read without anything but the files in it."""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gatelab.disk import make_folder
from gatelab.errors import UserError, suggest
from gatelab.runs.claims import LEASE, Claim, Clock, standing_owner, take_claim
from gatelab.runs.frozen import read_configuration
from gatelab.runs.history import read_history
from gatelab.runs.owners import Owner
from gatelab.runs.record import Record
from gatelab.runs.result import Result
from gatelab.runs.seals import sealed_step

__all__ = ["Store"]

_IDENTITY = re.compile(r"[0-9a-f]{16}")


class Store:
    """All runs below ``runs_dir``, each in a folder named by its identity.

    What damaged files, absent folders or unknown identities raise is a UserError of one line that names the file.
    """

    def __init__(self, runs_dir: Path | str) -> None:
        self.runs_dir = Path(runs_dir)

    def finished(self, identity: str) -> Result | None:
        """Return the result of a run, or None if there is no such run or it has not come to its end."""
        return _read_result(str(self._folder(identity) / "result.json"), identity)

    def results(self) -> list[Result]:
        """Return the result of every run that has one, sorted by task, label, seed and identity."""
        found = (_read_result(f"{folder}{os.sep}result.json", name) for name, folder in self._folders())
        results = [result for result in found if result is not None]
        return sorted(results, key=lambda result: (result.task, result.label, result.seed, result.identity))

    def unfinished(self) -> list[str]:
        """Return the identities, sorted, of the runs that were begun and have no result."""
        return sorted(name for name, folder in self._folders() if not os.path.exists(f"{folder}{os.sep}result.json"))

    def configuration(self, identity: str) -> dict[str, Any]:
        """Return the configuration that a run was frozen with."""
        return read_configuration(self._known(identity) / "config.yaml")

    def history(self, identity: str) -> list[dict[str, Any]]:
        """Return the history of a run, finished or not: mappings with step, split and numbers."""
        return read_history(self._known(identity) / "metrics.jsonl")

    def record(self, identity: str, configuration: Mapping[str, Any], claim: Claim | None = None) -> Record:
        """Open the folder of a run for writing; see ``Record.open``."""
        self._folder(identity)
        return Record.open(self.runs_dir, identity, configuration, claim)

    def claim(self, identity: str, *, lease: float = LEASE, clock: Clock = time.time) -> Claim | None:
        """Claim a run for this process; None if another process has it, or if it is finished.

        Whoever claims renews (``Claim.renew``) within every lease, and releases; ``Claims`` does both.
        """
        folder = self._folder(identity)
        make_folder(folder)
        claim = take_claim(folder, lease=lease, clock=clock)
        # looked at under the claim: before, another process could have finished in between
        if claim is not None and (folder / "result.json").exists():
            claim.release()
            return None
        return claim

    def owner(self, identity: str, clock: Clock = time.time) -> Owner | None:
        """Return which process trains a run; None if it can be claimed, or is finished."""
        return standing_owner(self._folder(identity), clock)

    def resume_step(self, identity: str) -> int:
        """Return the step from which a run would go on, by its latest checkpoint; 0 if it has none."""
        folder = self._folder(identity) / "checkpoint"
        return max(sealed_step(folder / name) or 0 for name in ("last.pt", "previous.pt"))

    def _folder(self, identity: str) -> Path:
        # The identity may come from a command line, and becomes a path.
        if not _IDENTITY.fullmatch(identity):
            raise UserError(f"'{identity}' is not the identity of a run: 16 hex digits, such as 0123456789abcdef")
        return self.runs_dir / identity

    def _known(self, identity: str) -> Path:
        folder = self._folder(identity)
        if not folder.is_dir():
            names = [name for name, _ in self._folders()]
            raise UserError(f"no run {identity} in {self.runs_dir}{suggest(identity, names)}")
        return folder

    def _folders(self) -> Iterator[tuple[str, str]]:
        try:
            with os.scandir(self.runs_dir) as entries:
                found = [(entry.name, entry.path) for entry in entries if _IDENTITY.fullmatch(entry.name)]
        except OSError as error:
            raise UserError(f"no runs in {self.runs_dir}: {error.strerror}") from error
        yield from found


def _read_result(path: str, identity: str) -> Result | None:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        mapping = json.loads(data)
        if not isinstance(mapping, dict):
            raise ValueError("an object was expected")
        result = Result.from_mapping(mapping)
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise UserError(f"{path}: damaged result: {error}") from error
    if result.identity != identity:
        raise UserError(f"{path}: damaged result: it belongs to run {result.identity}")
    return result
