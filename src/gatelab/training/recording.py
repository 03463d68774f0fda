"""Write the numbers of a stack into each run's folder, and log them."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from gatelab.probes.gates import GateHistogram, gate_histograms
from gatelab.probes.in_training import effective_ranks, gradient_against_distance, name_what_lacks
from gatelab.store import ClaimLost, Record, crash_point
from gatelab.training.checkpoint import best_bytes, state_bytes
from gatelab.training.loggers.loggers import RunLoggers
from gatelab.training.stack_batches import StackBatch
from gatelab.training.stack_module import StackModule
from gatelab.training.watcher import Watcher
from gatelab.training.weighted import last_loss

__all__ = ["Recording"]

PROBED = 64  # validation sequences whose gates are measured
FOLLOWED = 4  # of these, those along which gradients are followed
SHARE = 0.05
"""The share of the time that checkpoints may take: with frequent validations, some get no checkpoint."""


class Recording(Watcher):
    """Appends training and validation numbers to each run's history, saves its checkpoints, and logs the numbers.

    A run that another process has taken over is frozen, with one line on stderr.

    Args:
        records: of the runs, in the order of the stack.
        loggers: of the runs, in the same order.
        probe: the validation batch on whose first sequences gates are measured.
        earlier: seconds that each run took before it was resumed.
    """

    def __init__(
        self, records: Sequence[Record], loggers: Sequence[RunLoggers], probe: StackBatch, earlier: Sequence[float]
    ) -> None:
        self.records = records
        self.loggers = loggers
        self.probe = probe
        self.earlier = earlier
        self._begun = time.monotonic()
        # as if checkpoints that took this long had just been written: short runs need none, they are quickly repeated
        self._next = self._begun + 0.05 * (1 / SHARE - 1)
        self._kept: dict[int, tuple[int, bool]] = {}  # the position of each run's last checkpoint

    def elapsed(self) -> float:
        """Return the seconds since the stack began, or was resumed."""
        return time.monotonic() - self._begun

    def seconds(self, run: int, elapsed: float) -> float:
        """Return the wall time of a run: its share of the time of this stack and of its earlier ones."""
        return self.earlier[run] + elapsed / len(self.records)

    def on_train_batch_start(self, module: StackModule) -> None:
        """Pass a crash point."""
        if module.taken == 0:
            crash_point("before first step")

    def on_train_batch_end(self, module: StackModule) -> None:
        """Record the steps of the runs that were found to have diverged."""
        if module.taken == 1:
            crash_point("after first step")
        if module.taken == module.configurations[0].training.max_steps:
            crash_point("after last step")
        self._record_fallen(module)

    def _record_fallen(self, module: StackModule) -> None:
        while module.fallen:
            run = module.fallen.pop()
            numbers = self._training(module, run)
            self._written(module, run, partial(self._append, module, run, numbers))

    def on_validation_end(self, module: StackModule) -> None:
        """Record the steps since the last validation, and this validation, of the runs that were still learning."""
        histograms = self._gates(module) if module.judged else []
        further = self._further(module)
        for run in module.judged:
            self._written(module, run, partial(self._judged, module, run, histograms[run], further[run]))
        module.training_losses = []
        now = time.monotonic()
        if now >= self._next:
            self.checkpoint(module)
            after = time.monotonic()
            self._next = after + (after - now) * (1 / SHARE - 1)

    def checkpoint(self, module: StackModule) -> None:
        """Write a checkpoint of each run, between two steps; runs that no longer learn need only one."""
        module.look()
        self._record_fallen(module)
        for run, progress in enumerate(module.progress):
            if not progress.lost and self._kept.get(run) != _position(module, run):
                self._written(module, run, partial(self._last, module, run))

    def end(self, module: StackModule) -> None:
        """Write, durably, each run's last checkpoint and its best weights."""
        self.checkpoint(module)
        for run, progress in enumerate(module.progress):
            if progress.best_step is not None and not progress.lost:
                self._written(module, run, partial(self._best, module, run, durable=True))

    def _written(self, module: StackModule, run: int, write: Callable[[], None]) -> None:
        try:
            write()
        except ClaimLost as lost:
            module.lose(run, lost)

    def _judged(
        self, module: StackModule, run: int, histograms: Sequence[GateHistogram], further: Mapping[str, float]
    ) -> None:
        step, record = module.taken, self.records[run]
        training = self._training(module, run)
        record.append(step, "train", training)
        loss, score = module.measured[run]
        shares = {key: share for gate in histograms for key, share in gate.keyed().items()}
        record.append(step, "validation", {"loss": loss, "score": score, **shares, **further})
        numbers = _named(training) | {"validation/loss": loss, "validation/score": score, **further}
        self.loggers[run].log(step, numbers, histograms)

    def _append(self, module: StackModule, run: int, training: Mapping[str, float]) -> None:
        step = module.progress[run].steps
        self.records[run].append(step, "train", training)
        self.loggers[run].log(step, _named(training))

    def _best(self, module: StackModule, run: int, *, durable: bool) -> None:
        self.records[run].write_checkpoint("best.pt", best_bytes(module.progress[run]), durable=durable)

    def _last(self, module: StackModule, run: int) -> None:
        record, progress = self.records[run], module.progress[run]
        state = state_bytes(module, run, self.seconds(run, self.elapsed()), record.mark())
        record.write_checkpoint("last.pt", state, aside="previous.pt")
        self._kept[run] = _position(module, run)
        if progress.best_step is not None and progress.active:
            # made durable at the end; until then last.pt holds it as well
            self._best(module, run, durable=False)

    def _training(self, module: StackModule, run: int) -> dict[str, float]:
        """Return the numbers of one run's training since the last validation."""
        configuration, progress = module.configurations[run], module.progress[run]
        factor = configuration.schedule.factor(progress.steps - 1, configuration.training.max_steps, module.drops[run])
        # the others go on after a run has diverged, and a device is asked later
        own = len(module.training_losses) - (module.taken - progress.steps)
        norm = progress.gradient_norm
        return {
            "loss": float(torch.stack([losses[run] for losses in module.training_losses[:own]]).mean()),
            "learning_rate": configuration.optimizer.rate * factor,
            "gradient_norm": float(module.stack_optimizer.gradient_norms[run]) if norm is None else norm,
        }

    def _gates(self, module: StackModule) -> list[list[GateHistogram]]:
        fine = any(one.takes_histograms for one in self.loggers)
        few = self.probe.first(PROBED, module.device)
        weights: Mapping[str, Tensor] = module.weights()
        return gate_histograms(module.template, weights, few.inputs, few.lengths, fine=fine)

    def _further(self, module: StackModule) -> list[dict[str, float]]:
        """Return, for each run that asks for them, the numbers of ``training.probes``."""
        asking = [configuration.training.probes for configuration in module.configurations]
        if not module.judged or not any(asking[run] for run in module.judged):
            return [{} for _ in asking]
        name_what_lacks(module.template.rnn.variant)
        few, weights = self.probe.first(FOLLOWED, module.device), module.weights()
        loss, ends = last_loss(module.task, few)
        above = "rnn."
        own = {name.removeprefix(above): value for name, value in weights.items() if name.startswith(above)}
        ranks = effective_ranks(module.template.rnn, own)
        slopes = gradient_against_distance(module.template, weights, few.inputs, few.lengths, ends, loss)
        return [{**rank, **slope} if asked else {} for asked, rank, slope in zip(asking, ranks, slopes, strict=True)]


def _position(module: StackModule, run: int) -> tuple[int, bool]:
    progress = module.progress[run]
    return progress.steps, not progress.active or module.validated_at == module.taken


def _named(training: Mapping[str, float]) -> dict[str, float]:
    return {f"train/{name}": value for name, value in training.items()}
