"""The progress of a stack on the terminal: step, rate, loss and time left; in a log file a line a minute."""

import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import Progress, TaskID

from gatelab.progress import UNKNOWN, Minutes, bars, duration, shown_rate
from gatelab.training.stack_module import StackModule
from gatelab.training.watcher import Watcher

__all__ = ["TerminalProgress", "shown_loss"]

_EVERY = 0.2  # seconds between two reads of the losses, each of which waits for the device


class TerminalProgress(Watcher):
    """One line for a stack.

    Args:
        title: which runs.
        clock: seconds since the epoch, for a log file.
    """

    def __init__(self, title: str, clock: Callable[[], float] = time.time) -> None:
        self.minutes = Minutes(clock)
        self.title = title
        self.console = Console(stderr=True)
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self._begun = self._looked = 0.0
        self._from = 0
        self._loss = UNKNOWN

    def on_train_start(self, module: StackModule) -> None:
        """Show the bar, if there is a terminal."""
        self._begun, self._from = time.monotonic(), module.taken
        total = module.configurations[0].training.max_steps
        if not self.console.is_terminal:
            self.minutes.tell(lambda: self._line(module))
            return
        self.bar = bars(self.console)
        self.task = self.bar.add_task(self.title, total=total, completed=self._from, rate=UNKNOWN, loss=UNKNOWN)
        self.bar.start()

    def on_train_batch_end(self, module: StackModule) -> None:
        """Move the bar."""
        if self.bar is None or self.task is None:
            self.minutes.tell(lambda: self._line(module))
            return
        now = time.monotonic()
        if now - self._looked > _EVERY:
            self._looked = now
            self._loss = shown_loss(module)
            rate = shown_rate((module.taken - self._from) / max(1e-9, now - self._begun))
            self.bar.update(self.task, completed=module.taken, rate=rate, loss=self._loss)

    def on_train_end(self, module: StackModule) -> None:
        """Print one final line."""
        self.close()
        seconds = time.monotonic() - self._begun
        steps = max((progress.steps for progress in module.progress), default=0)
        rate = (module.taken - self._from) / max(1e-9, seconds)
        print(f"{self.title}: {steps} steps in {seconds:.1f} s ({shown_rate(rate)} steps/s)", file=sys.stderr)

    def on_exception(self, module: StackModule, error: BaseException) -> None:
        """Release the terminal."""
        self.close()

    def _line(self, module: StackModule) -> str:
        last, taken = module.configurations[0].training.max_steps, module.taken - self._from
        parts = [f"{self.title}: step {module.taken} of {last}"]
        if taken:
            seconds = time.monotonic() - self._begun
            judged = [progress.best[1] for progress in module.progress if progress.best_step is not None]
            parts.append(f"loss {shown_loss(module)}")
            parts += [f"best validation {sum(judged) / len(judged):.4g}"] if judged else []
            parts.append(f"about {duration((last - module.taken) * seconds / taken)} left")
        return ", ".join(parts)

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def shown_loss(module: StackModule) -> str:
    """Return the mean of the last losses of the runs that still learn, as the display shows it."""
    if not module.training_losses:
        return UNKNOWN
    losses = module.training_losses[-1].tolist()
    active = [loss for loss, progress in zip(losses, module.progress, strict=True) if progress.active]
    return f"{sum(active) / len(active):.4g}" if active else UNKNOWN
