"""Writes what happens in a stack into each run's folder, and mirrors it to the loggers."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from gatelab.probes import GateHistogram, gate_histograms
from gatelab.runs import Record
from gatelab.training.data import StackBatch
from gatelab.training.mirrors import Mirror
from gatelab.training.module import StackModule

__all__ = ["Recording", "checkpoint_bytes"]

PROBED = 64  # validation sequences whose gates are looked at


class Recording(Callback):
    """Appends training and validation numbers to each run's history, saves its best weights, and mirrors both.

    Args:
        records: of the runs, in the order of the stack.
        mirrors: likewise.
        probe: the validation batch whose first sequences are shown to the gates.
    """

    def __init__(self, records: Sequence[Record], mirrors: Sequence[Mirror], probe: StackBatch) -> None:
        self.records = records
        self.mirrors = mirrors
        self.probe = probe

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Record the steps of a run that has diverged in this one."""
        module: StackModule = pl_module
        for run, progress in enumerate(module.progress):
            if progress.diverged_at == module.taken:
                self.mirrors[run].log(module.taken, self._training(module, run))

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Record the steps since the last validation, and this validation, of the runs that were still learning."""
        module: StackModule = pl_module
        step = module.taken
        histograms = self._gates(module) if module.judged else []
        for run in module.judged:
            numbers = self._training(module, run)
            loss, score = module.measured[run]
            shares = {
                f"gates/{gate.name}/{name}": share for gate in histograms[run] for name, share in gate.shares().items()
            }
            self.records[run].append(step, "validation", {"loss": loss, "score": score, **shares})
            numbers |= {"validation/loss": loss, "validation/score": score}
            self.mirrors[run].log(step, numbers, histograms[run])
            progress = module.progress[run]
            if progress.best_step == step:
                best = checkpoint_bytes({"weights": progress.best_weights, "step": step})
                self.records[run].write_checkpoint("best.pt", best)
        module.training_losses = []

    def _training(self, module: StackModule, run: int) -> dict[str, float]:
        """Record the training of one run since the last validation."""
        configuration = module.configurations[run]
        factor = configuration.schedule.factor(module.taken - 1, configuration.training.max_steps)
        numbers = {
            "loss": float(torch.stack([losses[run] for losses in module.training_losses]).mean()),
            "learning_rate": configuration.optimizer.lr * factor,
            "gradient_norm": float(module.stack_optimizer.gradient_norms[run]),
        }
        self.records[run].append(module.taken, "train", numbers)
        return {f"train/{name}": value for name, value in numbers.items()}

    def _gates(self, module: StackModule) -> list[list[GateHistogram]]:
        inputs = self.probe.inputs[:, :PROBED].to(module.device)
        lengths = None if self.probe.lengths is None else self.probe.lengths[:PROBED].to(module.device)
        weights: Mapping[str, Tensor] = module.weights()
        return gate_histograms(module.template, weights, inputs, lengths)


def checkpoint_bytes(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of a checkpoint that ``torch.load(weights_only=True)`` reads, also where there is no GPU."""
    buffer = io.BytesIO()
    torch.save(_on_cpu(content), buffer)
    return buffer.getvalue()


def _on_cpu(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _on_cpu(item) for name, item in value.items()}
    return value.cpu() if isinstance(value, Tensor) else value
