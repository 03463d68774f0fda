"""A fit of a stack and its test, by direct steps or by Lightning, and a stop between any two batches."""

import signal
from collections.abc import Sequence

from gatelab.store import Stop
from gatelab.training.direct_loop import measure_directly, train_directly
from gatelab.training.direct_step import DirectStep, direct_step
from gatelab.training.process_group import HELD, Rank
from gatelab.training.stack_batches import StackData
from gatelab.training.stack_module import StackModule
from gatelab.training.watcher import Watcher

__all__ = ["Stopping", "fit", "measure_test"]


class Stopping(Watcher):
    """Raises Stopped before the next batch, of training or evaluation, once a stop is requested.

    Args:
        stop: holds the request.
        rank: of the process; only the first of a run acts on signals.
    """

    def __init__(self, stop: Stop, rank: Rank) -> None:
        self.stop, self.rank = stop, rank

    def _listen(self) -> None:
        self.stop.listen()
        if self.rank.of > 1 and self.rank.place == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)

    def on_train_start(self, module: StackModule) -> None:
        """Set our signal handlers again, after a Trainer has set its own, which would end the process."""
        self._listen()

    def on_validation_start(self, module: StackModule) -> None:
        """Likewise."""
        self._listen()

    def on_test_start(self, module: StackModule) -> None:
        """Likewise."""
        self._listen()

    def on_train_batch_start(self, module: StackModule) -> None:
        """Look."""
        self.stop.check()

    def on_validation_batch_start(self, module: StackModule) -> None:
        """Look."""
        self.stop.check()

    def on_test_batch_start(self, module: StackModule) -> None:
        """Look."""
        self.stop.check()


def fit(module: StackModule, data: StackData, watchers: Sequence[Watcher], stop: Stop, device: str) -> None:
    """Train the runs of a stack from their current step to their end, or until most of them have ended.

    Direct steps give the same bits as Lightning's loop in less time; ``module.loop`` says which it was, and why.
    """
    used = [Stopping(stop, module.rank), *watchers]
    step = direct_step(module, data)
    if isinstance(step, DirectStep):
        module.loop = "direct"
        train_directly(module, data, used, step)
        return
    module.loop = f"Lightning: {step}"
    # takes seconds to import
    from gatelab.training.lightning_loop import fit_with_lightning

    fit_with_lightning(module, data, used, stop, device)


def measure_test(module: StackModule, data: StackData, stop: Stop, device: str) -> None:
    """Open the test split."""
    used = [Stopping(stop, module.rank)]
    if device == "cpu" and module.rank.of == 1:
        measure_directly(module, data, used)
        return
    from gatelab.training.lightning_loop import test_with_lightning

    test_with_lightning(module, data, used, stop, device)
