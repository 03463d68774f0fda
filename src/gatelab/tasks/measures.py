"""Losses and scores that tasks share: one number for each prediction, for one run; vmap lifts them to several."""

from __future__ import annotations

from typing import TYPE_CHECKING

# torch is imported where it is needed, so that the tasks can be listed without waiting for it.
if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["accuracy", "cross_entropy", "note_cross_entropy", "squared_error"]


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return (output - target)² of single numbers: (…, 1) and (…, 1) give (…)."""
    return (outputs - targets).square().squeeze(-1)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return -log softmax(outputs)[target] in nats: logits (…, classes) and integer classes (…) give (…)."""
    return -outputs.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return 1 where the greatest logit is that of the target, 0 elsewhere; shapes as in :func:`cross_entropy`."""
    return (outputs.argmax(-1) == targets).to(outputs.dtype)


def note_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the binary cross-entropy summed over notes, in nats: logits and 0/1 of (…, notes) give (…).

    It is taken from logits, so that a confident wrong note costs its logit and never infinity.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    return binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype), reduction="none").sum(-1)
