"""Lightning's part of a fit: Trainers without loggers, checkpoints or output, and a stop between any two batches."""

import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities.exceptions import SIGTERMException

from gatelab.store import Stop, Stopped
from gatelab.training.accelerators import LIGHTNING
from gatelab.training.direct_loop import train_directly
from gatelab.training.direct_step import DirectStep, direct_step
from gatelab.training.lightning_module import StackModule
from gatelab.training.process_group import Rank
from gatelab.training.stack_batches import StackData

__all__ = ["Stopping", "fit", "measure_test"]

_HELD = (signal.SIGTERM,)


class Stopping(Callback):
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
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Set our signal handlers again, after the Trainer has set its own, which would end the process."""
        self._listen()

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Likewise."""
        self._listen()

    def on_test_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Likewise."""
        self._listen()

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Look."""
        self.stop.check()

    def on_validation_batch_start(self, trainer: Trainer, *rest: Any) -> None:
        """Look."""
        self.stop.check()

    def on_test_batch_start(self, trainer: Trainer, *rest: Any) -> None:
        """Look."""
        self.stop.check()


def fit(module: StackModule, data: StackData, callbacks: Sequence[Callback], stop: Stop, device: str) -> None:
    """Train the runs of a stack from their current step to their end, or until most of them have ended.

    Direct steps give the same bits as Lightning's loop in less time; ``module.loop`` says which it was, and why.
    A Trainer counts from 0, and validates at a multiple of its own steps: for a stack that is resumed between two
    validations, the first Trainer runs to the next validation, and the second from there.
    """
    training = module.configurations[0].training
    used = [Stopping(stop, module.rank), *callbacks]
    with _quiet(stop):
        step = direct_step(module, data)
        module.loop = "direct" if isinstance(step, DirectStep) else f"Lightning: {step}"
        if isinstance(step, DirectStep):
            train_directly(module, data, used, step)
            return
        while module.active and not module.divides:
            if module.due:
                with _held_back(module.rank):
                    _trainer(device, module.rank, callbacks=used).validate(module, data, verbose=False)
                continue
            left = training.max_steps - module.taken
            if left <= 0:
                return
            to_next = training.validate_every - module.taken % training.validate_every
            aligned = to_next == training.validate_every
            steps = left if aligned else min(left, to_next)
            data.start = module.taken
            trainer = _trainer(
                device,
                module.rank,
                callbacks=used,
                max_steps=steps,
                val_check_interval=min(to_next, steps),
                check_val_every_n_epoch=None,
            )
            with _held_back(module.rank):
                trainer.fit(module, data)


def measure_test(module: StackModule, data: StackData, stop: Stop, device: str) -> None:
    """Open the test split."""
    with _quiet(stop), _held_back(module.rank):
        _trainer(device, module.rank, callbacks=[Stopping(stop, module.rank)]).test(module, data, verbose=False)


def _trainer(device: str, rank: Rank, **options: Any) -> Trainer:
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return Trainer(
        accelerator=LIGHTNING[device],
        devices=rank.of,
        # also inside a job of SLURM: Lightning's environment would expect one process for every task of the job
        plugins=[LightningEnvironment() if rank.of == 1 else _Started(rank)],
        strategy="auto" if rank.of == 1 else _Together(),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,
    )


class _Started(LightningEnvironment):
    """What Lightning asks of the processes of a run, which are there and have met."""

    def __init__(self, rank: Rank) -> None:
        super().__init__()
        self.rank = rank

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def local_rank(self) -> int:
        return self.rank.place


class _Together(DDPStrategy):
    def _configure_launcher(self) -> None:
        # it would start no process, but set the number of threads
        pass


@contextmanager
def _held_back(rank: Rank) -> Iterator[None]:
    """Hold SIGTERM back until Stopping has set our handlers: Lightning's would speak to the others out of turn."""
    if rank.of == 1 or rank.place:
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)


@contextmanager
def _quiet(stop: Stop) -> Iterator[None]:
    """Call Lightning without its warnings about data loaders and torch's warnings about it; raise its interrupts."""
    handler = signal.getsignal(signal.SIGINT)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        # on a login node of SLURM; our processes are our own
        warnings.filterwarnings("ignore", ".*`srun` command is available.*")
        warnings.filterwarnings("ignore", ".*treespec, LeafSpec.*", FutureWarning)
        try:
            yield
        except SIGTERMException:
            # the signal came to the Trainer's handler, before Stopping had set ours
            stop.check()
            raise Stopped("stopped; the same command goes on from there", signal.SIGTERM) from None
        except SystemExit as end:
            if not isinstance(end.__context__, KeyboardInterrupt):
                raise
            # Lightning turns an interrupt into an exit, and ignores the next one
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from None
