"""The store: a folder of runs, read from its files alone."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from gatelab.disk import make_folder
from gatelab.errors import UserError, suggest
from gatelab.reading import read_json, read_text
from gatelab.store.checkpoint_seal import sealed_step
from gatelab.store.config_file import read_configuration, section_of
from gatelab.store.failure import Failure, read_failure
from gatelab.store.finished_run import RESULT, Damaged, DamagedRunError, Finished, read_finished
from gatelab.store.format_number import check_format, write_format
from gatelab.store.history import Validated, read_history, validated
from gatelab.store.identity import is_configuration_of
from gatelab.store.lease.lease import LEASE, Claim, Clock, remove_claims, standing_owner, take_claim
from gatelab.store.lease.owner import Owner
from gatelab.store.record import Record
from gatelab.store.result import Result
from gatelab.store.run_index import IndexedRun, RunIndex

__all__ = ["Store"]

_Content = TypeVar("_Content")
_FEW = 100  # runs, for which listing a large store takes longer than looking for each
_IDENTITY = re.compile(r"[0-9a-f]{16}")


class Store:
    """All runs below ``runs_dir``, each in a folder named by its identity. A store of a newer format is refused.

    A finished run is read only if its files are unchanged: result, configuration, history and provenance are checked,
    checkpoints only by ``damage``. A damaged run counts as not finished, and is noted. Absent folders, unknown
    identities and damaged files of other runs raise a UserError of one line that names the file.

    Attributes:
        runs_dir: the folder. place: the same as given, for messages.
        damaged: identity -> damage, of the finished runs found damaged so far.
    """

    def __init__(self, runs_dir: Path | str) -> None:
        self.runs_dir = Path(runs_dir)
        check_format(self.runs_dir)
        self.place = str(runs_dir)
        self.damaged: dict[str, Damaged] = {}
        self._settings: dict[str, dict[str, Any]] = {}
        self._whole: set[str] = set()  # finished runs found unchanged
        self._index: RunIndex | None = None
        self._indexed: dict[str, IndexedRun] = {}  # of those, what the index has

    @contextmanager
    def indexed(self) -> Iterator[None]:
        """Read with the help of the store's index (:mod:`gatelab.store.run_index`), and write what it lacks at the end.

        For reading many runs: the index is read as a whole. Within another call it does nothing.
        """
        if self._index is not None or not self.runs_dir.is_dir():
            yield
            return
        self._index = RunIndex(self.runs_dir)
        try:
            yield
            self._index.keep()
        finally:
            self._index = None
            self._indexed = {}

    def begun(self, identities: Sequence[str]) -> list[str]:
        """Return those of some runs that have a folder, in order: the others need not be looked for one by one."""
        if len(identities) < _FEW:
            return list(identities)
        with suppress(FileNotFoundError, NotADirectoryError):
            there = set(os.listdir(self.runs_dir))
            return [identity for identity in identities if identity in there]
        return []

    def finished(self, identity: str) -> Result | None:
        """Return the result of a run; None if there is no such run, if it has not ended, or if it is damaged."""
        return self._result(identity, f"{self.runs_dir}{os.sep}{_checked_name(identity)}")

    def results(self) -> list[Result]:
        """Return the result of every run that has one, sorted by task, label, seed and identity, without damaged ones.

        These are in ``damaged``.
        """
        found = (self._result(name, folder) for name, folder in self._folders())
        return sorted(
            (result for result in found if result is not None),
            key=lambda result: (result.task, result.label, result.seed, result.identity),
        )

    def damage(self, identity: str) -> Damaged | None:
        """Read every byte of a finished run, checkpoints too; return the damage; None if whole or not finished.

        Of a run without a seal, configuration and history have to be readable and to be those of this run.
        """
        folder = str(self._folder(identity))
        self._whole.discard(identity)
        finished = self._checked(identity, folder, checkpoints=True)
        if finished is not None and finished.files is None:
            try:
                self.configuration(identity)
                self.history(identity)
            except DamagedRunError:
                pass  # noted in ``damaged``
        return self.damaged.get(identity)

    def sealed(self, identity: str) -> bool:
        """Return whether a finished run has a seal; runs older than seals have none."""
        finished = self._checked(identity, str(self._folder(identity)))
        return finished is not None and finished.files is not None

    def identities(self) -> list[str]:
        """Return the identities of all runs, sorted, whatever their state. Raises UserError without a store."""
        return sorted(name for name, _ in self._folders())

    def unfinished(self) -> list[str]:
        """Return the identities, sorted, of the runs that were begun and have no result."""
        return sorted(name for name, folder in self._folders() if not os.path.exists(f"{folder}{os.sep}result.json"))

    def failures(self, unfinished: Sequence[str] | None = None) -> dict[str, Failure]:
        """Return identity -> why it failed the last time, of the runs that were begun and have no result.

        ``unfinished``: these runs, if the caller knows them already.
        """
        among = self.unfinished() if unfinished is None else unfinished
        found = {identity: read_failure(self.runs_dir / identity) for identity in among}
        return {identity: failure for identity, failure in found.items() if failure is not None}

    def provenance(self, identity: str) -> dict[str, Any]:
        """Return the origin of a run: the fields of ``provenance``, and device, path and stack.

        Raises:
            UserError: provenance.json is missing or damaged.
        """
        if identity in self._indexed:
            return self._indexed[identity].provenance
        path = self._known(identity) / "provenance.json"
        content = read_json(path)
        if not isinstance(content, dict):
            raise UserError(f"{path}: damaged provenance: an object was expected")
        return content

    def configuration(self, identity: str) -> dict[str, Any]:
        """Return the frozen configuration of a run.

        Raises:
            DamagedRunError: the run is finished, and its configuration has changed.
        """
        folder = self._known(identity)

        def read() -> dict[str, Any]:
            configuration = read_configuration(folder / "config.yaml")
            # the seal covers more; without one, the folder's name is the hash of the scientific keys
            if identity not in self._whole and not is_configuration_of(identity, configuration):
                raise UserError(f"{folder / 'config.yaml'}: damaged configuration: it is that of another run")
            return configuration

        return self._of_finished(identity, folder / "config.yaml", read)

    def section_text(self, identity: str, name: str) -> str:
        """Return the lines of one section of config.yaml as they were written: where they are equal, its values are.

        Empty where there are none. This is much faster than to read the configuration.

        Raises:
            DamagedRunError: the run is finished, and its configuration cannot be read.
        """
        if identity in self._indexed and name in self._indexed[identity].sections:
            return self._indexed[identity].sections[name]
        path = self._known(identity) / "config.yaml"
        if not path.exists():
            return ""
        return section_of(self._of_finished(identity, path, lambda: read_text(path)), name)

    def section_texts(self, name: str) -> dict[str, str]:
        """Return identity -> ``section_text`` of all runs, whatever their state and unchecked; {} without a store.

        Runs whose configuration cannot be read are left out.
        """
        found = {}
        if self.runs_dir.is_dir():
            for identity, folder in self._folders():
                with suppress(UserError):
                    found[identity] = section_of(read_text(Path(folder) / "config.yaml"), name)
        return found

    def history(self, identity: str) -> list[dict[str, Any]]:
        """Return the history of a run, finished or not: mappings with step, split and numbers.

        Raises:
            DamagedRunError: the run is finished, and its history has changed.
        """
        path = self._known(identity) / "metrics.jsonl"
        return self._of_finished(identity, path, lambda: read_history(path))

    def validated(self, identity: str, best_step: int | None) -> Validated:
        """Return what validation has measured of a run; ``best_step`` is that of its result. Raises as ``history``."""
        found = self._index.validated(identity, best_step) if self._index is not None else None
        if found is None:
            found = validated(self.history(identity), best_step)
            if self._index is not None:
                self._index.enter_validated(identity, best_step, found)
        return found

    def record(self, identity: str, configuration: Mapping[str, Any], claim: Claim | None = None) -> Record:
        """Open the folder of a run for writing; see ``Record.open``."""
        self._folder(identity)
        write_format(self.runs_dir)
        return Record.open(self.runs_dir, identity, configuration, claim)

    def claim(self, identity: str, *, lease: float = LEASE, clock: Clock = time.time) -> Claim | None:
        """Claim a run for this process; None if another process has it, or if it is finished and undamaged.

        The caller renews it (``Claim.renew``) within every lease, and releases it; ``HeldClaims`` does both.
        """
        folder = self._folder(identity)
        write_format(self.runs_dir)
        make_folder(folder)
        claim = take_claim(folder, lease=lease, clock=clock)
        # checked under the claim: another process could have finished in between
        if claim is not None and self.finished(identity) is not None:
            claim.release()
            return None
        return claim

    def owner(self, identity: str, clock: Clock = time.time) -> Owner | None:
        """Return which process trains a run; None if it can be claimed, or is finished."""
        return standing_owner(self._folder(identity), clock)

    def frozen_configuration(self, identity: str) -> dict[str, Any]:
        """Return the configuration of a run, even if its other files are damaged.

        Raises:
            UserError: it is missing, damaged, or that of another run.
        """
        path = self._known(identity) / "config.yaml"
        configuration = read_configuration(path)
        if not is_configuration_of(identity, configuration):
            raise UserError(f"{path}: damaged configuration: it is that of another run")
        return configuration

    def forget_result(self, identity: str) -> None:
        """Mark a finished run as unfinished, to be trained from its last undamaged checkpoint.

        Raises:
            UserError: another process has the run.
        """
        folder = self._known(identity)
        claim = take_claim(folder)
        if claim is None:
            raise UserError(f"run {identity} is being trained by {standing_owner(folder) or 'another process'}")
        try:
            Record(folder, claim).forget_result()
        finally:
            claim.release()
            self.damaged.pop(identity, None)
            self._whole.discard(identity)

    def free(self, identity: str, *, force: bool = False) -> Owner | None:
        """Remove the claims on a run, so that it can be trained, and return the owner; None if there was none.

        Raises:
            UserError: a living process of this machine has the run; with ``force`` it loses the run anyway.
        """
        folder = self._known(identity)
        owner = standing_owner(folder)
        if owner is not None and owner.alive() and not force:
            raise UserError(
                f"run {identity} is being trained by {owner}, which is alive; end it (kill {owner.pid}) and it is free"
            )
        remove_claims(folder)
        return owner

    def clear_up(self, identity: str) -> None:
        """Remove the claims on a finished run, left by a process that was killed right after finishing it."""
        folder = self._folder(identity)
        if any(name.startswith("claim-") for name in os.listdir(folder)):
            remove_claims(folder)

    def resume_step(self, identity: str) -> int:
        """Return the step from which a run would resume, by its latest checkpoint; 0 if it has none."""
        folder = self._folder(identity) / "checkpoint"
        return max(sealed_step(folder / name) or 0 for name in ("last.pt", "previous.pt"))

    def _result(self, identity: str, folder: str) -> Result | None:
        finished = self._checked(identity, folder)
        if finished is None:
            return None
        # runs of equal settings share one object: derived values are computed and kept once
        if identity in self._indexed:
            return finished.result
        settings = finished.result.settings
        return replace(finished.result, settings=self._settings.setdefault(repr(settings), settings))

    def _checked(self, identity: str, folder: str, *, checkpoints: bool = False) -> Finished | None:
        """Return the content of a finished run; None if it is damaged, which is noted."""
        index = None if checkpoints else self._index
        known = index.run(identity) if index is not None else None
        finished: Finished | None
        try:
            if known is not None:
                finished = Finished(known.result, {}, {})
            elif index is not None:
                finished = index.read(identity)
            else:
                finished = read_finished(folder, identity)
                if finished is not None:
                    finished.check(folder, checkpoints=checkpoints)
        except DamagedRunError as error:
            self.damaged[identity] = error.damaged
            self._whole.discard(identity)
            self._indexed.pop(identity, None)
            return None
        self.damaged.pop(identity, None)
        if known is not None:
            self._indexed[identity] = known
        if finished is not None and finished.files is not None:
            self._whole.add(identity)
        return finished

    def _of_finished(self, identity: str, path: Path, read: Callable[[], _Content]) -> _Content:
        """Read a file of a run; the run is damaged if it is finished and the file has changed."""
        ended = (path.parent / RESULT).exists()
        if ended and identity not in self._whole:
            self._checked(identity, str(path.parent))
        if identity in self.damaged:
            raise DamagedRunError(self.damaged[identity])
        try:
            return read()
        except UserError as error:
            if not ended:
                raise
            self.damaged[identity] = Damaged(identity, str(path), str(error).removeprefix(f"{path}: "))
            raise DamagedRunError(self.damaged[identity]) from error

    def _folder(self, identity: str) -> Path:
        return self.runs_dir / _checked_name(identity)

    def folder(self, identity: str) -> Path:
        """Return the folder of a run. Raises UserError if there is none."""
        return self._known(identity)

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


def _checked_name(identity: str) -> str:
    """Return an identity, which may come from a command line, and becomes a path. Raises UserError if it is none."""
    if not _IDENTITY.fullmatch(identity):
        raise UserError(f"'{identity}' is not the identity of a run: 16 hex digits, such as 0123456789abcdef")
    return identity
