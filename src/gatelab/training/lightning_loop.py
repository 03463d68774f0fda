"""Lightning's part of a fit: Trainers without loggers, checkpoints or output. Imported only where it takes steps."""

import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities.exceptions import SIGTERMException

from gatelab.store import Stop, Stopped
from gatelab.training.accelerators import LIGHTNING
from gatelab.training.optimizer import StackOptimizer
from gatelab.training.process_group import HELD, Rank
from gatelab.training.stack_batches import StackBatch, StackData
from gatelab.training.stack_module import StackModule
from gatelab.training.watcher import Watcher

__all__ = ["fit_with_lightning", "test_with_lightning"]


def fit_with_lightning(
    module: StackModule, data: StackData, watchers: Sequence[Watcher], stop: Stop, device: str
) -> None:
    """Train a stack from its current step to its end, or until most of its runs have ended.

    A Trainer counts from 0, and validates at a multiple of its own steps: for a stack that is resumed between two
    validations, the first Trainer runs to the next validation, and the second from there.
    """
    training = module.configurations[0].training
    wrapped, told = _Wrapped(module), _Told(watchers)
    with _quiet(stop):
        while module.active and not module.divides:
            if module.due:
                trainer = _trainer(device, module.rank, callbacks=[told])
                with _held_back(module.rank):
                    trainer.validate(wrapped, data.val_dataloader(), verbose=False)
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
                callbacks=[told],
                max_steps=steps,
                val_check_interval=min(to_next, steps),
                check_val_every_n_epoch=None,
            )
            with _held_back(module.rank):
                trainer.fit(wrapped, data.train_dataloader(pinned=device == "cuda"), data.val_dataloader())


def test_with_lightning(
    module: StackModule, data: StackData, watchers: Sequence[Watcher], stop: Stop, device: str
) -> None:
    """Open the test split."""
    with _quiet(stop), _held_back(module.rank):
        trainer = _trainer(device, module.rank, callbacks=[_Told(watchers)])
        trainer.test(_Wrapped(module), data.test_dataloader(), verbose=False)


class _Wrapped(LightningModule):
    """A stack as Lightning takes it. Optimisation is manual, so that each run keeps its own clip norm and rate.

    Args:
        stack: its weights are moved with the wrapper.
    """

    def __init__(self, stack: StackModule) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.stack = stack

    def configure_optimizers(self) -> StackOptimizer:
        """Return the one optimiser of the stack; the same one in every fit, because it keeps its state between them."""
        return self.stack.stack_optimizer

    def transfer_batch_to_device(self, batch: StackBatch, device: torch.device, dataloader_idx: int) -> StackBatch:
        """Return a batch on a device, as a stack takes it."""
        return batch.moved(device)

    def training_step(self, batch: StackBatch, batch_idx: int) -> None:
        """Take one step in every active run."""
        wrapped = self.optimizers()
        assert not isinstance(wrapped, list)
        self.stack.take_step(batch, self.manual_backward, wrapped.step)
        if not self.stack.active:
            self.trainer.should_stop = True

    def validation_step(self, batch: StackBatch, batch_idx: int) -> None:
        """Add up loss and score of every run over one shared batch."""
        self.stack.evaluate(batch)

    test_step = validation_step

    def on_validation_epoch_start(self) -> None:
        """Reset the sums."""
        self.stack.begin_evaluation()

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_epoch_end(self) -> None:
        """Judge every run."""
        self.stack.end_validation()
        if not self.stack.active or self.stack.divides:
            self.trainer.should_stop = True

    def on_test_epoch_end(self) -> None:
        """Compute each run's loss and score on test."""
        self.stack.end_test()


class _Told(Callback):
    """Passes Lightning's hooks on.

    Args:
        watchers: hear each in their order.
    """

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self.watchers = watchers

    def _tell(self, name: str, module: Any, *rest: Any) -> None:
        for one in self.watchers:
            getattr(one, name)(module.stack, *rest)

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Pass it on."""
        self._tell("on_train_start", pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Pass it on."""
        self._tell("on_train_batch_start", pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Pass it on; a run that another process has taken over may have been the last."""
        self._tell("on_train_batch_end", pl_module)
        if not pl_module.stack.active:
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Pass it on."""
        self._tell("on_train_end", pl_module)

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        """Pass it on."""
        self._tell("on_exception", pl_module, exception)

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Pass it on."""
        self._tell("on_validation_start", pl_module)

    def on_validation_batch_start(self, trainer: Trainer, pl_module: Any, *rest: Any) -> None:
        """Pass it on."""
        self._tell("on_validation_batch_start", pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Pass it on; as after a batch of training."""
        self._tell("on_validation_end", pl_module)
        if not pl_module.stack.active:
            trainer.should_stop = True

    def on_test_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Pass it on."""
        self._tell("on_test_start", pl_module)

    def on_test_batch_start(self, trainer: Trainer, pl_module: Any, *rest: Any) -> None:
        """Pass it on."""
        self._tell("on_test_batch_start", pl_module)


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
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


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
