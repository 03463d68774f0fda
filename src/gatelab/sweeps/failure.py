"""A run that could not be trained: its failed.json, beside what it left behind. The next launch tries it again."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from gatelab.configuration import RunConfiguration
from gatelab.disk import write_atomically
from gatelab.errors import UserError
from gatelab.reading import read_json
from gatelab.store import Store

__all__ = ["Failure", "forget_failure", "read_failure", "record_failure"]

NAME = "failed.json"


@dataclass(frozen=True)
class Failure:
    """Why a run has no result.

    Attributes:
        reason: one line.
        detail: a traceback, or the last lines on stderr.
        attempts: how often it was tried in this launch, in a stack and alone.
    """

    identity: str
    label: str
    task: str
    seed: int
    reason: str
    detail: str
    attempts: int
    at: str

    @classmethod
    def of(cls, configuration: RunConfiguration, reason: str, detail: str, attempts: int) -> "Failure":
        """Return the failure of a run, now."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        task = configuration.task.name
        return cls(configuration.identity, configuration.label, task, configuration.seed, reason, detail, attempts, now)


def record_failure(configuration: RunConfiguration, failure: Failure) -> None:
    """Write failed.json into the run's folder; the disk may be what failed, so that an error here is no further one."""
    with suppress(OSError, UserError):
        Store(configuration.runs_dir).record(failure.identity, configuration.mapping())
        text = json.dumps(asdict(failure), indent=2, ensure_ascii=False)
        write_atomically(_path(configuration.runs_dir, failure.identity), f"{text}\n".encode())


def read_failure(runs_dir: str, identity: str) -> Failure | None:
    """Return how a run failed the last time; None if it did not, or if the file is damaged."""
    try:
        return Failure(**read_json(_path(runs_dir, identity)))
    except (UserError, TypeError):
        return None


def forget_failure(runs_dir: str, identity: str) -> None:
    """Remove failed.json of a run that has come to its end after all."""
    with suppress(OSError):
        _path(runs_dir, identity).unlink()


def _path(runs_dir: str, identity: str) -> Path:
    return Path(runs_dir) / identity / NAME
