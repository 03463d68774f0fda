"""In this process, one stack after another: nothing to set up, and nothing left when the process dies."""

import time

from gatelab.sweeps.executors.executor import Executor, Handle
from gatelab.sweeps.job import Job
from gatelab.sweeps.work import perform, train

__all__ = ["Inline"]


class Inline(Executor):
    """Trains within :meth:`wait`. A limit of time cannot be kept: nobody is left to look at the clock.

    Args:
        raising: raise what goes wrong, instead of reporting it.
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
        """Do nothing: the stack that runs has heard the signal itself."""

    def close(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
