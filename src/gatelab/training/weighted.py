"""Losses and scores of one run's batch, weighed; what is not asked is selected away, never multiplied with zero."""

import torch
from torch import Tensor

from gatelab.paths.padding import is_valid
from gatelab.tasks import Task
from gatelab.training.stack_batches import StackBatch

__all__ = ["totals", "weighed_losses", "weighed_scores"]


def totals(task: Task, outputs: Tensor, batch: StackBatch) -> Tensor:
    """Return what a mean loss and a mean score are made of, for one run's outputs on a batch of validation or test.

    Returns:
        (4,) double: the sums of weighed losses, of their weights, of weighed scores and of their weights.
    """
    losses = weighed_losses(task, outputs, batch.targets, batch.loss_weights)
    scores = weighed_scores(task, outputs, batch.targets, batch.score_weights, batch.lengths)
    parts = (losses, batch.loss_weights, scores, batch.score_weights)
    return torch.stack([part.sum(dtype=torch.float64) for part in parts])


def weighed_losses(task: Task, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return weight · loss of every prediction, 0 where the weight is 0, whatever stands there.

    A prediction that is not asked does not enter the loss: backwards, an infinite loss would meet a gradient of 0.

    Args:
        outputs, targets: of one run, as :meth:`gatelab.tasks.Task.losses` takes them.
        weights: in the shape of its losses.
    """
    asked = weights != 0
    losses = task.losses(_selected(asked, outputs), _selected(asked, targets))
    return _selected(asked, losses * weights)


def weighed_scores(task: Task, outputs: Tensor, targets: Tensor, weights: Tensor, lengths: Tensor | None) -> Tensor:
    """Return weight · score of every prediction, 0 where the weight is 0, whatever stands there.

    A score may look at the steps before it, asked or not, so that only what follows a sequence's end is left out.

    Args:
        outputs, targets: of one run, as :meth:`gatelab.tasks.Task.scores` takes them.
        weights: in the shape of its scores.
        lengths: (batch,) steps of each sequence; None if all fill the time axis.
    """
    if task.readout == "every" and lengths is not None:
        valid = is_valid(lengths, len(outputs)).squeeze(-1)
        outputs, targets = _selected(valid, outputs), _selected(valid, targets)
    return _selected(weights != 0, task.scores(outputs, targets) * weights)


def _selected(where: Tensor, values: Tensor) -> Tensor:
    """Return values where a mask of their first axes holds, 0 elsewhere."""
    mask = where.view(*where.shape, *(1,) * (values.dim() - where.dim()))
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype, device=values.device))
