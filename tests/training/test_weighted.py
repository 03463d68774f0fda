"""Losses and scores of one batch: weight times measure where something is asked, nothing of what stands elsewhere."""

from math import log

import numpy as np
import pytest
import torch
from torch import Tensor

from gatelab.tasks import TASKS
from gatelab.tasks.losses import STACKED
from gatelab.training.stack import network
from gatelab.training.stack_batches import StackData
from gatelab.training.weighted import mean_losses, weighed_losses, weighed_scores
from tests.tasks.examples import SMALL
from tests.training.examples import configuration

NAN, INF = float("nan"), float("inf")
GARBAGE = (NAN, INF, -INF, 3e38)


def made(name: str):
    return TASKS[name](**SMALL[name])


def garbled(values: Tensor, where: Tensor, number: float) -> Tensor:
    """Return values with garbage in some of their rows; of whole numbers, one that is no class."""
    mask = where.view(*where.shape, *(1,) * (values.dim() - where.dim()))
    garbage = number if values.is_floating_point() else {INF: 2**62, -INF: -(2**62)}.get(number, -1)
    return torch.where(mask, torch.tensor(garbage, dtype=values.dtype), values)


def drawn(name: str):
    """Return a task, outputs of one run, targets, weights of losses and of scores, and lengths."""
    task = made(name)
    batch = task.training_batch(0, 0, 5)
    targets, of_losses, of_scores = map(torch.from_numpy, map(np.ascontiguousarray, batch[2:5]))
    shape = (*of_losses.shape, task.output_size)
    outputs = torch.linspace(-2, 2, int(np.prod(shape))).sin().view(shape)
    return task, outputs, targets, of_losses, of_scores, torch.from_numpy(batch.lengths)


def test_a_loss_is_its_weight_times_the_measure():
    task = made("adding")
    outputs, targets = torch.tensor([[1.0], [3.0], [INF]]), torch.tensor([[0.5], [1.0], [NAN]])
    losses = weighed_losses(task, outputs, targets, torch.tensor([2.0, 0.5, 0.0]))
    assert losses.tolist() == [0.5, 2.0, 0.0]


def test_a_sum_over_steps_is_divided_by_the_sequences(tmp_path):
    """Of a language whose strings count the same: with sum each step counts one, and the strings are averaged."""
    task = {"name": "anbn", "largest": 3, "validation_largest": 5, "test_largest": 7, "training_size": 12}
    run = configuration(tmp_path, task=task, training={"reduce": "sum", "batch_size": 4})
    batch = StackData([run], network(run)).batch(0)
    outputs = torch.linspace(-2, 2, batch.targets.numel()).view(batch.targets.shape)
    found = mean_losses(run.task, outputs, batch.targets, batch.loss_weights, batch.divisors)
    each = run.task.losses(outputs[0], batch.targets[0])
    lengths = batch.lengths[0].tolist()
    expected = sum(each[:length, string].sum() for string, length in enumerate(lengths)) / 4
    torch.testing.assert_close(found[0], expected)


def test_a_loss_over_time_counts_where_something_is_asked():
    task = made("copying")
    outputs = torch.zeros(2, 1, task.output_size)
    outputs[1] = NAN
    losses = weighed_losses(task, outputs, torch.tensor([[1], [10**9]]), torch.tensor([[3.0], [0.0]]))
    assert losses[0].item() == pytest.approx(3 * log(task.output_size), rel=1e-6)
    assert losses[1].item() == 0


@pytest.mark.parametrize("name", sorted(SMALL))
def test_losses_and_their_gradients_see_nothing_that_is_not_asked(name):
    task, outputs, targets, weights, _, _ = drawn(name)
    silent = weights == 0

    def found(number: float | None) -> list[Tensor]:
        at, to = (outputs, targets) if number is None else (garbled(one, silent, number) for one in (outputs, targets))
        at = at.clone().requires_grad_()
        losses = weighed_losses(task, at, to, weights)
        return [losses.detach(), *torch.autograd.grad(losses.sum(), at)]

    law = found(None)
    assert torch.equal(law[0][~silent], (task.losses(outputs, targets) * weights)[~silent])
    assert not law[0][silent].any() and not law[1][silent].any()
    for number in GARBAGE:
        for one, other in zip(found(number), law, strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_scores_see_nothing_behind_the_end_of_a_sequence(name):
    task, outputs, targets, _, weights, lengths = drawn(name)
    law = weighed_scores(task, outputs, targets, weights, lengths)
    asked = weights != 0
    assert torch.equal(law[asked], (task.scores(outputs, targets) * weights)[asked])
    assert not law[~asked].any()
    ended = torch.arange(len(outputs))[:, None] >= lengths if task.readout == "every" else torch.zeros_like(asked)
    for number in GARBAGE:
        at, to = (garbled(one, ended, number) for one in (outputs, targets))
        assert torch.equal(weighed_scores(task, at, to, weights, lengths), law)


@pytest.mark.parametrize("gaps", [0, 1])
@pytest.mark.parametrize("shape", [(1,), (5,), (33,), (7, 3), (12, 1), (50, 16)])
@pytest.mark.parametrize("name", ["adding", "copying", "digits", "embedded_reber", "delay"])
def test_losses_of_a_stack_have_the_bits_of_those_run_by_run(name, shape, gaps):
    task, runs = made(name), 6
    random = torch.Generator().manual_seed(0)
    targets = torch.from_numpy(task.training_batch(0, 0, 1).targets)
    whole = targets.dtype == torch.int64
    last = () if whole else targets.shape[-1:]
    drawn = torch.rand((runs, *shape, *last), generator=random)
    targets = (drawn * task.output_size).floor().long() if whole else drawn.round()
    weights = (torch.rand((runs, *shape), generator=random) > 0.3).float()
    weights.view(runs, -1)[:, 0] = 1.0
    wide = torch.randn((runs, *shape, task.output_size + gaps), generator=random) * 3

    def found(means):
        given = wide.clone().requires_grad_()
        values = means(given[..., : task.output_size])
        values.sum().backward()
        return values, given.grad

    def run_by_run(outputs):
        each = zip(outputs.unbind(), targets, weights, strict=True)
        return torch.stack([weighed_losses(task, *one).sum() / one[2].sum() for one in each])

    for ours, law in zip(
        found(lambda outputs: mean_losses(task, outputs, targets, weights)), found(run_by_run), strict=True
    ):
        assert torch.equal(ours, law)


def test_losses_that_round_alike_are_taken_at_once(monkeypatch):
    asked = []
    task = made("adding")
    assert type(task).loss in STACKED

    def noted(outputs, targets):
        asked.append(outputs.shape)
        return (outputs - targets)[..., 0]

    monkeypatch.setattr(type(task), "loss", noted)
    monkeypatch.setattr("gatelab.training.weighted.STACKED", frozenset({type(task).loss}))
    mean_losses(task, torch.zeros(3, 5, 1), torch.zeros(3, 5, 1), torch.ones(3, 5))
    assert asked == [(3, 5, 1)]
