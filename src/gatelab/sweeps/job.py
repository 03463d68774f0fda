"""What an executor is given, and what it gives back: plain values, so that they travel as JSON to any process."""

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
        title: what the terminal calls it.
        configurations: of its runs, frozen when the sweep was planned.
        identities: of its runs, in the same order.
        sweep: the name under which loggers group the runs.
        trial: measure a few steps instead, and leave nothing behind.
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
        """Return the configurations of the runs, checked, without a look at any file."""
        reading = Reading(frozen=True)
        with allowing(self.allow_import):
            runs = [reading.run(mapping) for mapping in self.configurations]
        if tuple(run.identity for run in runs) != self.identities:
            raise RuntimeError(f"{self.title}: the gatelab that trains is not the gatelab that planned")
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
    """How a stack came to its end.

    Attributes:
        kind: ``done``; ``stopped`` by a signal, its runs ready to be resumed; or ``failed``.
        taken: identities of runs that another process is training.
        reason: of a failure, in one line.
        detail: more about it, such as a traceback.
        numbers: what a trial measured.
        signum: the signal that has stopped it.
        helps: what may help after a failure: ``again``, another try in whatever company; ``dividing``, for the error is
            one that comes again, perhaps of one run only; ``nothing``, for every run of the stack has it.
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
