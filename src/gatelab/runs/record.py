"""The writer of one run's folder; whatever moment the process dies at, the folder stays readable."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gatelab.errors import UserError
from gatelab.runs.files import sync_folder, write_atomically
from gatelab.runs.frozen import read_configuration, write_text
from gatelab.runs.history import complete_bytes, read_history
from gatelab.runs.identity import same_science
from gatelab.runs.numerals import json_text
from gatelab.runs.result import Result

__all__ = ["Record"]


class Record:
    """The folder of one run, open for writing. Use ``Record.open`` or ``Store.record``.

    No file is held open, so that a stack may have thousands of records. One process writes a run at a time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.identity = folder.name
        self._metrics = folder / "metrics.jsonl"

    @classmethod
    def open(cls, runs_dir: Path | str, identity: str, configuration: Mapping[str, Any]) -> "Record":
        """Open the folder ``runs_dir/identity``, new or left by a process that died.

        A new folder gets ``configuration`` (resolved, whole, plain values) as its config.yaml. An existing
        config.yaml stays as it is, and must mean the same run. A partly written last line of the history is removed.
        Raises UserError if it means another run, or if the folder cannot be made.
        """
        record = cls(Path(runs_dir) / identity)
        try:
            record.folder.mkdir(parents=True, exist_ok=True)
            sync_folder(record.folder.parent)
        except OSError as error:
            raise UserError(f"{record.folder}: the folder cannot be made: {error.strerror}") from error
        path = record.folder / "config.yaml"
        if not path.exists():
            write_atomically(path, write_text(configuration).encode("utf-8"))
        elif not same_science(read_configuration(path), configuration):
            raise UserError(f"{path}: the folder of run {identity} holds the configuration of another run")
        record._mend()
        return record

    def append(self, step: int, split: Literal["train", "validation", "test"], numbers: Mapping[str, float]) -> None:
        """Add a line to the history: ``numbers`` of one split after ``step`` steps.

        The line has left the process when the call returns, and survives its death. NaN and infinities are written
        as the strings "NaN", "Infinity", "-Infinity".
        """
        taken = {"step", "split"} & set(numbers)
        if taken:
            raise ValueError(f"{sorted(taken)} cannot be names of numbers")
        row = {"step": int(step), "split": split, **{name: _number(value) for name, value in numbers.items()}}
        # One write of one whole line to a file opened for appending: other writers cannot come in between.
        with self._metrics.open("ab", buffering=0) as file:
            file.write(f"{json_text(row)}\n".encode())

    def history(self) -> list[dict[str, Any]]:
        """Return what was appended so far, as ``read_history`` does."""
        return read_history(self._metrics)

    def truncate_after(self, step: int) -> None:
        """Forget the history after ``step``: a run resumed from a checkpoint will write it again."""
        rows = self.history()
        kept = [row for row in rows if row["step"] <= step]
        if len(kept) < len(rows):
            write_atomically(self._metrics, "".join(f"{json_text(row)}\n" for row in kept).encode())

    def checkpoint_path(self, name: str) -> Path:
        """Return where the checkpoint ``name``, such as ``best.pt``, lies or would lie. The name has no folder."""
        if not name or Path(name).name != name:
            raise ValueError(f"{name!r} is not a plain file name")
        return self.folder / "checkpoint" / name

    def write_checkpoint(self, name: str, data: bytes) -> None:
        """Write or replace a checkpoint atomically."""
        path = self.checkpoint_path(name)
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, data)

    def write_provenance(self, mapping: Mapping[str, Any]) -> None:
        """Write or replace provenance.json: nested plain values."""
        self._write_json("provenance.json", mapping)

    def finish(self, result: Result | Mapping[str, Any]) -> None:
        """Write result.json; from then on the run is finished, so this is the last call.

        Raises ValueError if the result lacks a field, or is that of another run.
        """
        complete = result if isinstance(result, Result) else Result.from_mapping(result)
        if complete.identity != self.identity:
            raise ValueError(f"the result of run {complete.identity} does not belong into {self.folder}")
        if self._metrics.exists():  # a result promises its history: that has to be on the disk first
            with self._metrics.open("rb+") as file:
                os.fsync(file.fileno())
        self._write_json("result.json", complete.to_mapping())

    def _write_json(self, name: str, mapping: Mapping[str, Any]) -> None:
        write_atomically(self.folder / name, f"{json_text(mapping, indent=2)}\n".encode())

    def _mend(self) -> None:
        complete = complete_bytes(self._metrics)
        if self._metrics.exists() and len(complete) < self._metrics.stat().st_size:
            write_atomically(self._metrics, complete)


def _number(value: float) -> float:
    # numpy's and torch's scalars become Python's; whole numbers stay whole.
    return value if isinstance(value, int) else float(value)
