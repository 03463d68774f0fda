"""In this process, one stack after another: no setup, and nothing remains when the process dies."""

import time

from gatelab.sweeps.executors.executor import Executor, Handle
from gatelab.sweeps.job import Job
from gatelab.sweeps.work import perform, train

__all__ = ["Inline"]


class Inline(Executor):
    """Trains within :meth:`wait`, so nothing can interrupt it: time limits are ignored.

    Args:
        raising: raise errors instead of reporting them.
    """

    within = True

    def __init__(self, *, raising: bool = False) -> None:
        super().__init__(slots=1)
        self._raising = raising
        self._waiting: list[Handle] = []

    def submit(self, job: Job) -> Handle:
        """Take a job."""
        handle = Handle(job)
        self._waiting.append(handle)
        return handle

    def wait(self, seconds: float) -> list[Handle]:
        """Train what was submitted."""
        if not self._waiting:
            time.sleep(seconds)
            return []
        handle = self._waiting.pop(0)
        handle.begun = time.monotonic()
        run = train if self._raising else perform
        handle.end(run(handle.job, asked=self.asked))
        return [handle]

    def cancel(self, handle: Handle, reason: str) -> None:
        """Give up a job that has not begun."""
        handle.given_up = reason

    def stop(self) -> None:
        """Do nothing: the running stack handles the signal itself."""

    def close(self) -> None:
        """Drop the waiting jobs."""
        self._waiting.clear()
