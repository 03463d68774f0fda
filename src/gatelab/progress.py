"""The display of progress: bars on a terminal; in a log file one line at the start, then one a minute."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["UNKNOWN", "Minutes", "bars", "duration", "shown_rate"]

UNKNOWN = "–"

_EVERY = 60.0  # seconds


class Minutes:
    """Prints a line with the time of day on stderr, once a minute: ``12:03 412 of 10,000 runs finished``.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._next: float | None = None

    def tell(self, sentence: Callable[[], str], *, last: bool = False) -> None:
        """Print the sentence if a line is due: the first, the ``last``, and one a minute."""
        now = self.clock()
        if not last and self._next is not None and now < self._next:
            return
        self._next = now + _EVERY
        with suppress(OSError):  # a full disk under a log file stops no training
            print(f"{time.strftime('%H:%M', time.localtime(now))} {sentence()}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Return a time for people: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def bars(console: "Console") -> "Progress":
    """Return an empty display, a line for each stack that is added; its fields are ``rate`` and ``loss``."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[rate]} steps/s  loss {task.fields[loss]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def shown_rate(rate: float | None) -> str:
    """Return steps a second as the display shows them."""
    return UNKNOWN if rate is None else f"{rate:.1f}"
