"""failed.json: why a run has no result, beside its other files. The next launch tries it again."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gatelab.disk import write_atomically
from gatelab.errors import UserError
from gatelab.reading import read_json

__all__ = ["FAILED", "Failure", "forget_failure", "read_failure", "write_failure"]

FAILED = "failed.json"


@dataclass(frozen=True)
class Failure:
    """Why a run has no result.

    Attributes:
        task, label: empty if the file lacks it.
        seed, attempts: None if the file lacks it.
        reason: one line.
        detail: a traceback, or the last lines on stderr.
        attempts: how often it was tried in this launch, in a stack and alone.
        at: when, ISO 8601.
    """

    identity: str
    label: str
    task: str
    seed: int | None
    reason: str
    detail: str
    attempts: int | None
    at: str


def write_failure(folder: Path, failure: Failure) -> None:
    """Write failed.json into a run's folder. Raises OSError."""
    text = json.dumps(asdict(failure), indent=2, ensure_ascii=False)
    write_atomically(folder / FAILED, f"{text}\n".encode())


def read_failure(folder: Path) -> Failure | None:
    """Return how the run of a folder failed the last time; None if it did not, or if the file cannot be read."""
    try:
        content = read_json(folder / FAILED)
    except UserError:
        return None
    if not isinstance(content, dict):
        return None
    words = {name: str(content.get(name, "")) for name in ("label", "task", "detail", "at")}
    return Failure(
        identity=folder.name,
        reason=str(content.get("reason", "no reason was recorded")),
        seed=_whole(content.get("seed")),
        attempts=_whole(content.get("attempts")),
        **words,
    )


def forget_failure(folder: Path) -> None:
    """Remove failed.json of a run that has ended in another attempt."""
    with suppress(OSError):
        (folder / FAILED).unlink()


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None
