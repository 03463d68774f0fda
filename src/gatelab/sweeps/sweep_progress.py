"""The display of a sweep: on a terminal a line for each running stack, in a log file a line a minute."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gatelab.progress import UNKNOWN, Minutes, bars, duration, shown_rate
from gatelab.sweeps.executors import Handle

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["SweepState", "View", "print_line"]


@dataclass(frozen=True)
class SweepState:
    """The progress of a sweep.

    Attributes:
        runs: of the sweep, including those finished before it began.
        finished, failed: so many of them.
        stacks: that are being trained.
        steps: taken so far by all runs together.
        all_steps: of all runs together, if none ends early.
    """

    runs: int
    finished: int
    failed: int
    stacks: int
    steps: float
    all_steps: float

    def sentence(self, left: float | None) -> str:
        """Return the line of a log file; ``left`` are the seconds to the end, None if unknown."""
        parts = [f"{self.finished:,} of {self.runs:,} runs finished"]
        parts += [f"{self.failed:,} failed"] if self.failed else []
        parts += [f"{self.stacks:,} stack{'s' if self.stacks > 1 else ''} running"] if self.stacks else []
        parts += [f"about {duration(left)} left"] if left and self.stacks else []
        return ", ".join(parts)


def print_line(line: str) -> None:
    """Print a line on stderr."""
    print(line, file=sys.stderr, flush=True)


class View:
    """Lines on stderr. To be closed: use it in a ``with`` block.

    Args:
        quiet: show only problems.
        clock: seconds since the epoch.
        say: called with a line if there is no terminal for bars.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.time,
        say: Callable[[str], None] = print_line,
    ) -> None:
        from rich.console import Console

        self._quiet = quiet
        self._say = say
        self._minutes = Minutes(clock)
        self._first: tuple[float, float] | None = None
        self._console = Console(stderr=True)
        self._lines: dict[Handle, TaskID] = {}
        self._bars: Progress | None = None

    def __enter__(self) -> "View":
        if self._console.is_terminal and not self._quiet:
            self._bars = bars(self._console)
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def begin(self, handle: Handle, steps: int) -> None:
        """Add the line of a stack whose steps are received."""
        if self._bars is not None and handle.watched:
            self._lines[handle] = self._bars.add_task(handle.job.title, total=steps, rate=UNKNOWN, loss=UNKNOWN)

    def show(self, running: Mapping[Handle, Any]) -> None:
        """Update the lines."""
        if self._bars is None:
            return
        for handle in running:
            if handle in self._lines:
                rate = shown_rate(handle.rate)
                self._bars.update(self._lines[handle], completed=handle.step, rate=rate, loss=handle.loss)

    def end(self, handle: Handle) -> None:
        """Replace a line by one with the time that the stack took."""
        if self._bars is None:
            return
        if handle in self._lines:
            self._bars.remove_task(self._lines.pop(handle))
        report = handle.report
        # a stack in this process prints its own line
        if report is not None and report.kind == "done" and handle.watched and handle.begun is not None:
            seconds = time.monotonic() - handle.begun
            rate = "" if handle.rate is None else f" ({shown_rate(handle.rate)} steps/s)"
            self.say(f"{handle.job.title}: {seconds:.1f} s{rate}")

    def count(self, standing: SweepState, *, last: bool = False) -> None:
        """Print the progress if there is no terminal and a line is due: the first, the last, one a minute."""
        now = self._minutes.clock()
        self._first = self._first or (now, standing.steps)
        if self._bars is None and not self._quiet:
            seconds, steps = now - self._first[0], standing.steps - self._first[1]
            left = (standing.all_steps - standing.steps) * seconds / steps if steps else None
            self._minutes.tell(lambda: standing.sentence(left), last=last)

    def say(self, sentence: str, *, important: bool = False) -> None:
        """Print a line above the bars."""
        if self._quiet and not important:
            return
        if self._bars is not None:
            # a label comes from a file of any origin: no markup
            self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)
        else:
            self._say(sentence)
