"""Reports of a fit's steps to a function."""

import time
from collections.abc import Callable
from typing import Any

from pytorch_lightning import Callback, Trainer

from gatelab.training.stack_progress import shown_loss

__all__ = ["Steps"]

_EVERY = 0.2  # seconds between two reports, each of which waits for the device


class Steps(Callback):
    """Calls a function now and then.

    Args:
        watch: called with the steps taken and the mean loss of the runs that still learn.
    """

    def __init__(self, watch: Callable[[int, str], None]) -> None:
        self.watch = watch
        self._last = 0.0

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Report a step."""
        now = time.monotonic()
        if now - self._last > _EVERY:
            self._last = now
            self.watch(pl_module.taken, shown_loss(pl_module))
