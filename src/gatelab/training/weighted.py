"""Weighted losses and scores of one run's batch; steps without weight are selected away, not multiplied with 0."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gatelab.paths.padding import is_valid
from gatelab.tasks import Task
from gatelab.tasks.losses import STACKED

if TYPE_CHECKING:
    from gatelab.training.stack_batches import StackBatch

__all__ = ["averages", "last_loss", "mean_losses", "totals", "weighed_losses", "weighed_scores"]


def totals(task: Task, outputs: Tensor, batch: "StackBatch") -> Tensor:
    """Return the sums for the mean loss and the mean score of one run's outputs on a batch of validation or test.

    Returns:
        (4,) double: the sums of weighted losses, of their weights, of weighted scores and of their weights.
    """
    losses = weighed_losses(task, outputs, batch.targets, batch.loss_weights)
    scores = weighed_scores(task, outputs, batch.targets, batch.score_weights, batch.lengths)
    parts = (losses, batch.loss_weights, scores, batch.score_weights)
    return torch.stack([part.sum(dtype=torch.float64) for part in parts])


def averages(sums: Sequence[Tensor]) -> list[tuple[float, float]]:
    """Return mean loss and mean score of each run.

    Args:
        sums: of each batch of a part, (runs, 4), as :func:`totals` returns them of a run.
    """
    losses, loss_weights, scores, score_weights = torch.stack(list(sums)).sum(0).unbind(-1)
    pairs = torch.stack([losses / loss_weights, scores / score_weights], -1).tolist()
    return [(loss, score) for loss, score in pairs]


def mean_losses(
    task: Task, outputs: Tensor, targets: Tensor, weights: Tensor, divisors: Tensor | None = None
) -> Tensor:
    """Return the weighted mean loss of each run of a stack: (runs,).

    Run by run, because the rounding of torch depends on how many numbers it processes together; at once where it does
    not, since sixty-four small graphs cost more than the networks.

    Args:
        outputs, targets, weights: as in :func:`weighed_losses`, with a leading run axis.
        divisors: (runs,) by which the sum is divided in place of the sum of the weights; 0 for that sum.
    """
    default = type(task).losses is Task.losses and task.measured_loss in STACKED
    if default and _in_order(outputs):
        outputs = outputs.contiguous()
        # where every prediction has a weight, nothing is to be selected; asking a device would wait for it
        every = weights.is_cpu and bool((weights != 0).all())
        losses = task.losses(outputs, targets) * weights if every else weighed_losses(task, outputs, targets, weights)
        sums, totals_of_weights = losses.flatten(1).sum(1), weights.flatten(1).sum(1)
    else:
        each = list(zip(outputs.unbind(), targets, weights, strict=True))
        sums = torch.stack([weighed_losses(task, *one).sum() for one in each])
        totals_of_weights = torch.stack([one[2].sum() for one in each])
    if divisors is not None:
        totals_of_weights = torch.where(divisors > 0, divisors, totals_of_weights)
    return sums / totals_of_weights


def last_loss(task: Task, batch: "StackBatch") -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Return the loss of each sequence's last prediction that has a weight, and where it stands.

    Args:
        task: of the batch.
        batch: without run axis.

    Returns:
        A function from one run's outputs to the sum of these losses, each with the weight 1; and (batch,) their steps,
        counted from 0, and -1 of a sequence without one.
    """
    asked = batch.loss_weights != 0
    if asked.dim() == 1:
        last, ends = asked, torch.where(asked, batch.lengths - 1, -1)
    else:
        steps = torch.arange(len(asked), device=asked.device)[:, None]
        ends = torch.where(asked, steps, -1).amax(0)
        last = asked & (steps == ends)
    return lambda outputs: weighed_losses(task, outputs, batch.targets, last.to(outputs.dtype)).sum(), ends


def weighed_losses(task: Task, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return weight · loss of every prediction, 0 where the weight is 0, even if the loss is NaN.

    A prediction without weight does not enter the loss: in the backward pass an infinite loss times 0 would be NaN.

    Args:
        outputs, targets: of one run, as :meth:`gatelab.tasks.Task.losses` takes them.
        weights: in the shape of its losses.
    """
    asked = weights != 0
    losses = task.losses(_selected(asked, outputs), _selected(asked, targets))
    return _selected(asked, losses * weights)


def weighed_scores(task: Task, outputs: Tensor, targets: Tensor, weights: Tensor, lengths: Tensor | None) -> Tensor:
    """Return weight · score of every prediction, 0 where the weight is 0, even if the score is NaN.

    A score may depend on earlier steps, with or without weight, so only steps after a sequence's end are left out.

    Args:
        outputs, targets: of one run, as :meth:`gatelab.tasks.Task.scores` takes them.
        weights: in the shape of its scores.
        lengths: (batch,) steps of each sequence; None if all fill the time axis.
    """
    if task.readout == "every" and lengths is not None:
        valid = is_valid(lengths.to(outputs.device), len(outputs)).squeeze(-1)
        outputs, targets = _selected(valid, outputs), _selected(valid, targets)
    return _selected(weights != 0, task.scores(outputs, targets) * weights)


def _selected(where: Tensor, values: Tensor) -> Tensor:
    """Return values where a mask of their first axes holds, 0 elsewhere."""
    mask = where.view(*where.shape, *(1,) * (values.dim() - where.dim()))
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype, device=values.device))


def _in_order(values: Tensor) -> bool:
    """Say whether numbers stand in memory in the order of the axes, perhaps with gaps: a sum follows that order."""
    strides = [stride for stride, size in zip(values.stride(), values.shape, strict=True) if size > 1]
    return strides == sorted(strides, reverse=True)
