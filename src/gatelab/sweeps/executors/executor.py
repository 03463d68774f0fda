"""What every executor can do."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from gatelab.errors import UserError
from gatelab.progress import UNKNOWN
from gatelab.sweeps.job import Job, JobReport

__all__ = ["Executor", "Handle"]


@dataclass(eq=False)
class Handle:
    """A job that an executor has been given.

    Attributes:
        begun: when it began to run, on the monotonic clock; None while it waits, or its process is starting.
        heard: when its last message arrived.
        watched: whether the executor receives steps at all.
        step, loss: of the last step received.
        first: the first step received, and when.
        given_up: why it was cancelled.
        report: how it ended; None until then.
    """

    job: Job
    begun: float | None = None
    heard: float = field(default_factory=time.monotonic)
    watched: bool = False
    step: int = 0
    loss: str = UNKNOWN
    first: tuple[int, float] | None = None
    given_up: str | None = None
    report: JobReport | None = None

    @property
    def rate(self) -> float | None:
        """Steps per second since the first one received; None if unknown."""
        if self.first is None or self.step <= self.first[0]:
            return None
        return (self.step - self.first[0]) / max(1e-9, self.heard - self.first[1])

    def hear(self, step: int, loss: str) -> None:
        """Note a step."""
        self.heard, self.step, self.loss = time.monotonic(), step, loss
        self.first = self.first or (step, self.heard)

    def end(self, report: JobReport) -> None:
        """Note how it ended; a job that was given up has failed for that reason, however it ended."""
        if self.given_up is not None and report.kind != "done":
            report = JobReport("failed", reason=self.given_up, detail=report.detail)
        self.report = report


class Executor(ABC):
    """Runs several jobs at once. To be closed: use it in a ``with`` block.

    Args:
        slots: how many jobs it takes at once.

    Attributes:
        slots: how many jobs it takes at once.
        parts: into how many stacks runs of automatic stack size are divided at least.
        within: whether it trains in this process, where the stack handles the signals itself.
        asked: whether the sweep should stop, if it trains in this process.
    """

    within = False
    asked: Callable[[], bool] | None = None

    def __init__(self, slots: int) -> None:
        self.slots = self.parts = slots

    def prepare(self, jobs: int) -> None:  # noqa: B027 - most have nothing to prepare
        """Prepare for this many jobs while they are being planned."""

    @abstractmethod
    def submit(self, job: Job) -> Handle:
        """Take a job; at most ``slots`` at a time."""

    def submit_all(self, jobs: Sequence[Job]) -> list[Handle]:
        """Take several jobs, in order."""
        return [self.submit(job) for job in jobs]

    def find(self, identities: Collection[str]) -> list[Handle]:
        """Return the jobs that an earlier launcher has handed in for some runs and that have not come to their end."""
        return []

    def detach(self) -> str:
        """Leave the jobs to the cluster, and return where they stand, in a line.

        Raises:
            UserError: its jobs end with this process.
        """
        raise UserError("hydra.launcher.detach=true: is for hydra.launcher.executor=submitit on a SLURM cluster")

    @abstractmethod
    def wait(self, seconds: float) -> list[Handle]:
        """Return the jobs that ended since the last call; wait this many seconds for one, or a little longer."""

    def news(self) -> str:
        """Return a line on where its jobs stand, now and then; mostly nothing."""
        return ""

    @abstractmethod
    def cancel(self, handle: Handle, reason: str) -> None:
        """End a job that is given up; :meth:`wait` returns it as failed for this reason."""

    @abstractmethod
    def stop(self) -> None:
        """Ask every job to write a checkpoint and end; :meth:`wait` returns each."""

    @abstractmethod
    def close(self) -> None:
        """End everything at once."""

    def __enter__(self) -> "Executor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
