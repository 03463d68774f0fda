"""The writer of one run's folder; the folder stays readable if the process dies at any moment."""

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gatelab.disk import append_whole, because, make_folder, remove_leftovers, sync_folder, write_atomically, writing
from gatelab.errors import UserError
from gatelab.reading import check_regular, open_regular
from gatelab.store.config_file import read_configuration, write_text
from gatelab.store.failure import FAILED
from gatelab.store.faults import crash_point
from gatelab.store.finished_run import RESULT, SEALED, file_hash, sealed_result
from gatelab.store.history import complete_bytes, read_history
from gatelab.store.identity import is_configuration_of, same_science
from gatelab.store.json_numbers import json_text
from gatelab.store.lease.lease import Claim
from gatelab.store.result import Result

__all__ = ["Record"]

_FILES = (*SEALED, "checkpoint/previous.pt", RESULT, FAILED)
"""The entries of a run's folder, beside claims and the files of loggers."""


class Record:
    """The folder of one run, open for writing. Use ``Record.open`` or ``Store.record``.

    No file is held open, so that a stack may have thousands of records. One process writes a run at a time: with a
    claim, every method that writes raises ClaimLost, and writes nothing, once the run has another owner. An
    incomplete write (a full disk) raises a UserError with the file and the reason; the folder is unchanged.
    """

    def __init__(self, folder: Path, claim: Claim | None = None) -> None:
        self.folder = folder
        self.identity = folder.name
        self.claim = claim
        self._metrics = folder / "metrics.jsonl"
        self._size, self._hash = 0, hashlib.sha256()
        self._written: dict[str, str] = {}  # file below the folder -> sha256 of what was written, in hex
        self._torn = False  # whether the file may end with an incomplete line

    @classmethod
    def open(
        cls, runs_dir: Path | str, identity: str, configuration: Mapping[str, Any], claim: Claim | None = None
    ) -> "Record":
        """Open the folder ``runs_dir/identity``, new or left by a killed process.

        A new folder gets ``configuration`` (resolved, whole, plain values) as its config.yaml. An existing
        config.yaml stays as it is, and must mean the same run. An incomplete last line of the history is removed.
        With a claim, temporary files of a killed process are removed, and so is a result: a claim on a finished run
        means that the run is damaged and will be trained again. A damaged config.yaml is rewritten.
        Raises UserError if it means another run, if the folder cannot be made, or if the path of a file of the run is
        something other than a file.
        """
        record = cls(Path(runs_dir) / identity, claim)
        make_folder(record.folder)
        for name in _FILES:
            check_regular(record.folder / name)
        path = record.folder / "config.yaml"
        if claim is not None and record.forget_result():
            path.unlink(missing_ok=True)
        if path.exists():
            try:
                _check_configuration(path, configuration)
            except UserError as error:
                # the claim and the name of the folder prove that the given configuration is right
                if claim is None or not is_configuration_of(identity, configuration):
                    raise
                print(f"warning: {error}; rewritten", file=sys.stderr)
                path.unlink()
        if path.exists():
            record._written[path.name] = file_hash(path)
        else:
            record._write(path, write_text(configuration).encode("utf-8"))
        if claim is not None:
            for folder in (record.folder, record.folder / "checkpoint"):
                remove_leftovers(folder)
        record._mend()
        return record

    def append(self, step: int, split: Literal["train", "validation", "test"], numbers: Mapping[str, float]) -> None:
        """Add a line to the history: ``numbers`` of one split after ``step`` steps.

        When the call returns, the line is with the system, and survives the death of the process. NaN and infinities
        are written as the strings "NaN", "Infinity", "-Infinity".
        """
        taken = {"step", "split"} & set(numbers)
        if taken:
            raise ValueError(f"{sorted(taken)} cannot be names of numbers")
        row = {"step": int(step), "split": split, **{name: _number(value) for name, value in numbers.items()}}
        line = f"{json_text(row)}\n".encode()
        crash_point("before append")
        with writing(self._metrics):
            self._append(line)
        self._torn = False
        self._count(line)
        crash_point("after append")

    def history(self) -> list[dict[str, Any]]:
        """Return the rows appended so far, as ``read_history`` does."""
        return read_history(self._metrics)

    def mark(self) -> dict[str, Any]:
        """Return a mark of the history, for a checkpoint: its length in bytes and their hash."""
        return {"bytes": self._size, "sha256": self._hash.hexdigest()}

    def holds(self, mark: Mapping[str, Any]) -> bool:
        """Return whether the history begins with the content of a mark."""
        data = complete_bytes(self._metrics)[: mark["bytes"]]
        return len(data) == mark["bytes"] and hashlib.sha256(data).hexdigest() == mark["sha256"]

    def rewind(self, mark: Mapping[str, Any]) -> None:
        """Remove the history after a mark: a run resumed from its checkpoint will write it again.

        Raises ValueError if the history does not hold the mark.
        """
        if not self.holds(mark):
            raise ValueError("the history does not begin with the content of its mark")
        # also if nothing is removed: see append
        if self._metrics.exists():
            self._rewrite(complete_bytes(self._metrics)[: mark["bytes"]])

    def restart(self) -> None:
        """Remove history and checkpoints: the run starts again."""
        self._check()
        self._metrics.unlink(missing_ok=True)
        for name in ("best.pt", "last.pt", "previous.pt"):
            self.checkpoint_path(name).unlink(missing_ok=True)
        self._mend()

    def checkpoint_path(self, name: str) -> Path:
        """Return the path of the checkpoint ``name``, such as ``best.pt``. The name has no folder."""
        if not name or Path(name).name != name:
            raise ValueError(f"{name!r} is not a plain file name")
        return self.folder / "checkpoint" / name

    def write_checkpoint(self, name: str, data: bytes, *, aside: str | None = None, durable: bool = True) -> None:
        """Write or replace a checkpoint atomically; under the name ``aside``, if given, the previous one is kept.

        ``durable=False`` is for a copy of another checkpoint's content.
        """
        path = self.checkpoint_path(name)
        make_folder(path.parent)
        self._write(path, data, durable=durable, aside=None if aside is None else self.checkpoint_path(aside))

    def write_provenance(self, mapping: Mapping[str, Any]) -> None:
        """Write or replace provenance.json (nested plain values); ``finish`` makes it durable."""
        self._write_json("provenance.json", mapping, names=False)

    def finish(self, result: Result | Mapping[str, Any]) -> None:
        """Write result.json; from then on the run is finished, so this is the last call.

        Raises ValueError if the result lacks a field, or is that of another run.
        """
        complete = result if isinstance(result, Result) else Result.from_mapping(result)
        if complete.identity != self.identity:
            raise ValueError(f"the result of run {complete.identity} does not belong into {self.folder}")
        crash_point("before finish")
        self._check()
        # the last checkpoint is on the disk: the previous one is not needed
        self.checkpoint_path("previous.pt").unlink(missing_ok=True)
        self._settle_history()
        self._write(self.folder / RESULT, sealed_result(complete.to_mapping(), self._settled_files()))
        crash_point("after finish")

    def _write_json(self, name: str, mapping: Mapping[str, Any], *, names: bool = True) -> None:
        self._write(self.folder / name, f"{json_text(mapping, indent=2)}\n".encode(), names=names)

    def _write(
        self, path: Path, data: bytes, *, durable: bool = True, names: bool = True, aside: Path | None = None
    ) -> None:
        def passing(moment: str) -> None:
            crash_point(f"{moment} {path.name}")

        with writing(path):
            try:
                write_atomically(
                    path, data, durable=durable, names=names, guard=self._check, aside=aside, passing=passing
                )
            except FileNotFoundError:
                self._check()  # a new owner has cleaned the folder
                raise
        self._written[path.relative_to(self.folder).as_posix()] = hashlib.sha256(data).hexdigest()

    def _append(self, line: bytes) -> None:
        # One write of one whole line to a file opened for appending: other writers cannot interleave. It is opened
        # before the claim is checked: a new owner first replaces the file, so that a process that was paused after the
        # check writes into the old one.
        try:
            # does not wait if the path is a pipe
            descriptor = os.open(self._metrics, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
        except FileNotFoundError:
            self._check()  # the folder is gone, and the claim with it
            raise
        try:
            self._check()
            if self._torn:
                os.ftruncate(descriptor, min(self._size, os.fstat(descriptor).st_size))
            self._torn = True
            append_whole(descriptor, line)
        finally:
            os.close(descriptor)

    def _settle_history(self) -> None:
        """A result needs its history: all appended lines must be in the file, and on the disk, before."""
        with writing(self._metrics):
            try:
                with open_regular(self._metrics) as file:
                    data = file.readall()
                    os.fsync(file.fileno())
            except FileNotFoundError:
                data = b""
        if hashlib.sha256(data).digest() != self._hash.digest():
            raise UserError(f"{self._metrics}: not the {self._size} bytes of history that were written; not finished")

    def _settled_files(self) -> dict[str, str]:
        """Return the hash of every file that the seal covers, after checking those that this process has written."""
        files = {}
        for name in SEALED:
            path = self.folder / name
            try:
                files[name] = file_hash(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise UserError(f"{path}: cannot be read: {because(error)}; not finished") from error
            if name != self._metrics.name and self._written.get(name, files[name]) != files[name]:
                raise UserError(f"{path}: changed since it was written; not finished")
        return files

    def forget_result(self) -> bool:
        """Mark a finished run as unfinished. Return whether it was finished."""
        path = self.folder / RESULT
        if not path.exists():
            return False
        with writing(path):
            path.unlink()
            sync_folder(self.folder)
        return True

    def _check(self) -> None:
        if self.claim is not None:
            self.claim.check()

    def _rewrite(self, data: bytes) -> None:
        self._write(self._metrics, data)
        self._size, self._hash = 0, hashlib.sha256()
        self._count(data)

    def _count(self, data: bytes) -> None:
        self._size += len(data)
        self._hash.update(data)

    def _mend(self) -> None:
        complete = complete_bytes(self._metrics)
        if self._metrics.exists() and len(complete) < self._metrics.stat().st_size:
            self._write(self._metrics, complete)
        self._size, self._hash = 0, hashlib.sha256()
        self._count(complete)


def _check_configuration(path: Path, configuration: Mapping[str, Any]) -> None:
    """Raise UserError unless the configuration in a file means the same run as the one given."""
    stored = read_configuration(path)
    try:
        same = same_science(stored, configuration)
    except UserError as error:  # a value that no configuration can have
        raise UserError(f"{path}: damaged configuration: {error}") from error
    if not same:
        raise UserError(f"{path}: the folder of run {path.parent.name} holds the configuration of another run")


def _number(value: float) -> float:
    # numpy's and torch's scalars become Python's; whole numbers stay whole.
    return value if isinstance(value, int) else float(value)
