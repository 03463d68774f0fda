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

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Record the steps since the last validation, and this validation."""
        module: StackModule = pl_module
        step = module.taken
        losses = torch.stack(module.training_losses).cpu()
        module.training_losses = []
        norms = module.stack_optimizer.gradient_norms.tolist()
        factors = module.stack_optimizer.factors.tolist()
        rates = [c.optimizer.lr * factor for c, factor in zip(module.configurations, factors, strict=True)]
        histograms = self._gates(module)
        for run, (record, mirror, progress) in enumerate(zip(self.records, self.mirrors, module.progress, strict=True)):
            if progress.steps < step and progress.diverged_at is None:
                continue  # stopped before this validation
            taken = losses[: len(losses) - (step - progress.steps), run]
            if not len(taken):
                continue  # diverged before this validation
            training = {"loss": float(taken.mean()), "learning_rate": rates[run], "gradient_norm": norms[run]}
            record.append(progress.steps, "train", training)
            numbers = {f"train/{name}": value for name, value in training.items()}
            if progress.steps == step:
                loss, score = module.measured[run]
                record.append(step, "validation", {"loss": loss, "score": score, **_flat(histograms[run])})
                numbers |= {"validation/loss": loss, "validation/score": score}
            mirror.log(progress.steps, numbers, histograms[run])
            if progress.best_step == step:
                record.write_checkpoint("best.pt", checkpoint_bytes({"weights": progress.best_weights, "step": step}))

    def _gates(self, module: StackModule) -> list[list[GateHistogram]]:
        inputs = self.probe.inputs[:, :PROBED].to(module.device)
        lengths = None if self.probe.lengths is None else self.probe.lengths[:PROBED].to(module.device)
        weights: Mapping[str, Tensor] = module.weights()
        return gate_histograms(module.template, weights, inputs, lengths)


def checkpoint_bytes(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of a checkpoint that ``torch.load(weights_only=True)`` reads."""
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return buffer.getvalue()


def _flat(gates: Sequence[GateHistogram]) -> dict[str, float]:
    return {f"gates/{gate.name}/{share}": value for gate in gates for share, value in gate.shares().items()}
