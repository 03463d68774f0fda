"""Input and output of an executor: plain values, which can be sent as JSON to any process."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gatelab.configuration import Reading, RunConfiguration
from gatelab.permission import allowed, allowing

__all__ = ["Job", "JobReport"]


@dataclass(frozen=True)
class Job:
    """A stack to train.

    Attributes:
        title: its name on the terminal.
        configurations: of its runs, frozen when the sweep was planned.
        identities: of its runs, in the same order.
        sweep: the name under which loggers group the runs.
        trial: only measure a few steps, and keep no files.
        allow_import: packages from which a task or an opening may be imported: the permission that the user gave to the
            process that planned.
    """

    title: str
    configurations: tuple[Mapping[str, Any], ...]
    identities: tuple[str, ...]
    sweep: str | None = None
    trial: bool = False
    allow_import: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, configurations: Sequence[RunConfiguration], title: str, sweep: str | None, *, trial: bool = False
    ) -> "Job":
        """Return the job to train some runs together."""
        mappings = tuple(configuration.mapping() for configuration in configurations)
        identities = tuple(configuration.identity for configuration in configurations)
        return cls(title, mappings, identities, sweep, trial, allowed())

    def runs(self) -> list[RunConfiguration]:
        """Return the configurations of the runs, checked, without reading any file."""
        reading = Reading(frozen=True)
        with allowing(self.allow_import):
            runs = [reading.run(mapping) for mapping in self.configurations]
        if tuple(run.identity for run in runs) != self.identities:
            raise RuntimeError(f"{self.title}: planned and trained by different versions of gatelab")
        return runs

    def text(self) -> str:
        """Return the job as JSON on one line."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_text(cls, text: str) -> "Job":
        """Return the job in a text."""
        content = json.loads(text)
        sequences = {name: tuple(content[name]) for name in ("configurations", "identities", "allow_import")}
        return cls(**{**content, **sequences})


@dataclass(frozen=True)
class JobReport:
    """How a stack ended.

    Attributes:
        kind: ``done``; ``stopped`` by a signal, and can be resumed; or ``failed``.
        taken: identities of runs that another process is training.
        reason: of a failure, in one line.
        detail: details, such as a traceback.
        numbers: the measurements of a trial.
        signum: the signal that has stopped it.
        helps: what may help after a failure: ``again``, another try, alone or with others; ``dividing``, if the error
            will recur, perhaps in one run only; ``nothing``, if every run of the stack has it.
    """

    kind: Literal["done", "stopped", "failed"]
    taken: tuple[str, ...] = ()
    reason: str = ""
    detail: str = ""
    numbers: dict[str, float] = field(default_factory=dict)
    signum: int = 0
    helps: Literal["again", "dividing", "nothing"] = "again"

    def text(self) -> str:
        """Return the report as JSON on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "JobReport":
        """Return the report in a text."""
        content = json.loads(text)
        return cls(**{**content, "taken": tuple(content["taken"])})
