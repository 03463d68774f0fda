"""Runs put into a store from outside: each is whole and checked before it stands there under its name.

    runs/.incoming/claim-000001.json    who is putting runs in
                   <identity>/…         the run that is being copied
    runs/<identity>/                    renamed there in one step

A process that dies leaves `.incoming`, which the next one empties; no run of the store is ever half there.
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

from gatelab.disk import make_folder, sync_folder, writing
from gatelab.errors import UserError
from gatelab.store.config_file import read_configuration
from gatelab.store.faults import crash_point
from gatelab.store.finished_run import Damaged, DamagedRunError, Finished, read_finished
from gatelab.store.format_number import write_format
from gatelab.store.identity import is_configuration_of
from gatelab.store.inventory import INCOMING
from gatelab.store.lease.lease import Claim, standing_owner, take_claim
from gatelab.store.result import Result
from gatelab.store.store import Store

__all__ = ["Incoming", "Outcome", "Readable", "same_scores"]

_CHUNK = 2**22  # bytes
_RENEWED = 10.0  # seconds, a part of a lease

Outcome = Literal["finished", "unfinished", "there", "elsewhere", "training", "damaged"]
"""Of a run: put there (finished or not), there already, there already with other scores, in training there, or not
put there because it is damaged."""


class Readable(Protocol):
    """The content of a file."""

    def read(self, size: int = -1, /) -> bytes | None:
        """Return up to so many bytes; none at the end."""


def same_scores(one: Result, other: Result) -> bool:
    """Return whether two results have the same test score; NaN is the same as NaN."""
    return repr(one.test) == repr(other.test)


class Incoming:
    """The way into a store, for one process at a time. Use ``Incoming.into``."""

    def __init__(self, store: Store, claim: Claim) -> None:
        self.store, self.claim = store, claim
        self._renewed = time.monotonic()

    @classmethod
    @contextmanager
    def into(cls, store: Store) -> Iterator["Incoming"]:
        """Open the way into a store, which may be new, and remove what a killed process left in it.

        Raises:
            UserError: another process is putting runs into the store, or nothing can be written there.
        """
        write_format(store.runs_dir)
        folder = store.runs_dir / INCOMING
        make_folder(folder)
        claim = take_claim(folder)
        if claim is None:
            who = standing_owner(folder) or "another process"
            raise UserError(f"{store.place}: runs are being put into it by {who}; one after the other")
        try:
            _empty(folder)
            yield cls(store, claim)
            _empty(folder)
        except BaseException:
            claim.release()
            raise
        claim.path.unlink(missing_ok=True)
        with suppress(OSError):  # another process has come in between
            folder.rmdir()

    def put(self, identity: str, files: Iterable[tuple[str, Readable]], source: Path) -> tuple[Outcome, Damaged | None]:
        """Copy the files of a run (name below its folder, content) into the store, unless a better one is there.

        ``source`` is the store or the archive that they come from, for what is said of damage.

        A finished run takes the place of one that is not, or that is damaged; an unfinished one takes the place of one
        whose last checkpoint is earlier.

        Raises:
            UserError: a file cannot be written.
        """
        here = self.store.runs_dir / INCOMING / identity
        with writing(here):
            self._copy(here, files)
        try:
            finished = _checked(here, identity)
        except DamagedRunError as error:
            shutil.rmtree(here)
            file = str(source / Path(error.damaged.file).relative_to(here.parent))
            return "damaged", replace(error.damaged, file=file)
        with writing(self.store.runs_dir / identity):
            outcome = self._placed(here, identity, finished)
        shutil.rmtree(here, ignore_errors=True)
        return outcome, None

    def renew(self) -> None:
        """Keep the claim. Raises ClaimLost if another process has it."""
        if time.monotonic() - self._renewed > _RENEWED:
            self.claim.check()
            self.claim.renew()
            self._renewed = time.monotonic()

    def _copy(self, folder: Path, files: Iterable[tuple[str, Readable]]) -> None:
        folders = {folder}
        folder.mkdir()
        for name, content in files:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            folders |= {place for place in path.parents if place.is_relative_to(folder)}
            with path.open("xb") as file:
                while data := content.read(_CHUNK):
                    file.write(data)
                    self.renew()
                file.flush()
                os.fsync(file.fileno())
            crash_point("after incoming file")
        for place in folders:
            sync_folder(place)

    def _placed(self, here: Path, identity: str, finished: Finished | None) -> Outcome:
        place = self.store.runs_dir / identity
        outcome: Outcome = "unfinished" if finished is None else "finished"
        if place.exists():
            claim = take_claim(place)
            if claim is None:
                return "training"
            try:
                there = self.store.finished(identity)
                if there is not None:
                    same = finished is None or same_scores(there, finished.result)
                    return "there" if same else "elsewhere"
                begun = (place / "config.yaml").exists()
                if finished is None and begun and self.store.resume_step(identity) >= _resume_step(here):
                    return "there"
                # the old folder leaves with its claim in it: who has waited for that finds the new run
                os.rename(place, here.with_name(f"{identity}.before"))
                crash_point("after incoming aside")
            finally:
                claim.release()
        try:
            os.rename(here, place)
        except OSError:
            if place.exists():  # a process has begun the run in between
                return "training"
            raise
        sync_folder(place.parent)
        crash_point("after incoming run")
        shutil.rmtree(here.with_name(f"{identity}.before"), ignore_errors=True)
        return outcome


def _checked(folder: Path, identity: str) -> Finished | None:
    """Return a run's result, None if it has none, after reading every byte that its seal covers.

    Raises:
        DamagedRunError: a file has changed, or an unfinished run is not the one of its name.
    """
    finished = read_finished(str(folder), identity)
    if finished is not None:
        finished.check(str(folder), checkpoints=True)
    if finished is None or finished.files is None:
        path = folder / "config.yaml"
        try:
            if not is_configuration_of(identity, read_configuration(path)):
                raise UserError(f"{path}: it is that of another run")
        except UserError as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise DamagedRunError(Damaged(identity, str(path), reason)) from error
    return finished


def _resume_step(folder: Path) -> int:
    return Store(folder.parent).resume_step(folder.name)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif not entry.name.startswith("claim-"):
            entry.unlink()
