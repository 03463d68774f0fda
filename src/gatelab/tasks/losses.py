"""Losses and scores that tasks share: one number for each prediction, for one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

# torch is imported on use, so that the tasks can be listed without waiting for it.
if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "STACKED",
    "Measure",
    "accuracy",
    "class_squared_error",
    "cross_entropy",
    "logistic_squared_error",
    "most_active",
    "set_accuracy",
    "set_cross_entropy",
    "set_squared_error",
    "so_far",
    "squared_error",
    "within",
]

Measure: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""From the outputs and targets of one run to one number for each prediction."""


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return (output - target)² of single numbers: (…, 1) and (…, 1) give (…)."""
    return (outputs - targets).square().squeeze(-1)


def logistic_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the same of logistic outputs: (σ(output) - target)²."""
    return squared_error(outputs.sigmoid(), targets)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return -log softmax(outputs)[target] in nats: logits (…, classes) and integer classes (…) give (…)."""
    return -outputs.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return 1 where the greatest logit is that of the target, 0 elsewhere; shapes as in :func:`cross_entropy`."""
    return (outputs.argmax(-1) == targets).to(outputs.dtype)


def within(outputs: Tensor, targets: Tensor, tolerance: float) -> Tensor:
    """Return 1 where a number is off by less than a tolerance, 0 elsewhere: (…, 1) and (…, 1) give (…)."""
    return ((outputs - targets).abs() < tolerance).to(outputs.dtype).squeeze(-1)


def set_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the binary cross-entropy summed over possible members of a set, in nats; shapes as in set_accuracy.

    Computed from logits: a confident wrong answer costs its logit, and never infinity.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    return binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype), reduction="none").sum(-1)


def set_accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return 1 where the logits above 0 are exactly those of the targets 1: (…, members) and (…, members) give (…)."""
    return ((outputs > 0) == (targets > 0.5)).all(-1).to(outputs.dtype)


def set_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return half the squared error of logistic outputs, summed over possible members; shapes as in set_accuracy.

    σ(output) is the output of the network: 1/2 Σ (target - σ(output))², as in Hochreiter & Schmidhuber 1997, A.1.
    """
    return (outputs.sigmoid() - targets.to(outputs.dtype)).square().sum(-1) / 2


def class_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the same as :func:`set_squared_error` for one class that is 1: shapes as in :func:`cross_entropy`."""
    from torch.nn.functional import one_hot

    return set_squared_error(outputs, one_hot(targets, outputs.shape[-1]))


def most_active(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return 1 where the members of a set have the greatest outputs; shapes as in :func:`set_accuracy`."""
    wanted = targets > 0.5
    least = outputs.masked_fill(~wanted, float("inf")).amin(-1)
    most = outputs.masked_fill(wanted, -float("inf")).amax(-1)
    return (least > most).to(outputs.dtype)


def so_far(right: Tensor) -> Tensor:
    """Return 1 at the steps up to which all was right: 1 and 0 of (time, …) give (time, …)."""
    return right.cumprod(0)


STACKED: frozenset[Measure] = frozenset({squared_error, cross_entropy})
"""Those that round a prediction the same way however many are computed at once: a whole stack can be.

Not the sets: torch rounds the last few of the elements that it takes as one piece differently."""
