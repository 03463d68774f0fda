"""Reports of a fit's steps to a function."""

import time
from collections.abc import Callable

from gatelab.training.stack_module import StackModule
from gatelab.training.stack_progress import shown_loss
from gatelab.training.watcher import Watcher

__all__ = ["Steps"]

_EVERY = 0.2  # seconds between two reports, each of which waits for the device


class Steps(Watcher):
    """Calls a function now and then.

    Args:
        watch: called with the steps taken and the mean loss of the runs that still learn.
    """

    def __init__(self, watch: Callable[[int, str], None]) -> None:
        self.watch = watch
        self._last = 0.0

    def on_train_batch_end(self, module: StackModule) -> None:
        """Report a step."""
        now = time.monotonic()
        if now - self._last > _EVERY:
            self._last = now
            self.watch(module.taken, shown_loss(module))
