"""The compiled readout and losses against autograd in double precision, and the mistakes of a task."""

import pytest
import torch
from torch.nn import functional

from gatelab.errors import UserError
from gatelab.tasks.losses import (
    class_squared_error,
    cross_entropy,
    logistic_squared_error,
    set_cross_entropy,
    set_squared_error,
    squared_error,
)
from gatelab.training.compiled_head import KINDS, CompiledHead, head_losses

RUNS = 3
OF_CLASSES = (cross_entropy, class_squared_error)


def drawn(measure, count, features, outputs):
    random = torch.Generator().manual_seed(count + outputs)
    rows = 2 * torch.randn(RUNS, count, features, generator=random)
    weight, bias = (torch.randn(RUNS, *shape, generator=random) for shape in ((outputs, features), (outputs,)))
    targets = torch.rand(RUNS, count, outputs, generator=random).round()
    if measure in OF_CLASSES:
        targets = torch.randint(outputs, (RUNS, count), generator=random)
    shares = (torch.rand(RUNS, count, generator=random) > 0.3) * torch.rand(RUNS, count, generator=random)
    shares[:, 0] = 1.0
    return rows, weight, bias, targets, shares


def with_gradients(losses, *tensors):
    given = [one.clone().requires_grad_() for one in tensors]
    means = losses(*given)
    return [means.detach(), *torch.autograd.grad(means.sum(), given)]


@pytest.mark.parametrize(
    ("measure", "outputs"),
    [(squared_error, 1), (logistic_squared_error, 1)]
    + [(one, n) for one in (*OF_CLASSES, set_cross_entropy, set_squared_error) for n in (1, 3, 8, 21)],
)
def test_losses_and_gradients_are_those_of_autograd(measure, outputs):
    for count, features in ((1, 8), (13, 5), (300, 17)):
        *tensors, targets, shares = drawn(measure, count, features, outputs)
        divisors = torch.tensor([0.0, 4.0, 0.0])

        def expected(rows, weight, bias):
            found = measure(rows @ weight.mT + bias[:, None], targets)  # noqa: B023 - called at once
            return (found * shares).sum(1) / torch.where(divisors > 0, divisors.double(), shares.double().sum(1))  # noqa: B023

        def compiled(rows, weight, bias):
            named = {"readout.weight": weight, "readout.bias": bias}
            return head_losses(KINDS[measure], rows, named, targets, shares, divisors)  # noqa: B023

        exact = with_gradients(expected, *(one.double() for one in tensors))
        for found, right in zip(with_gradients(compiled, *tensors), exact, strict=True):
            torch.testing.assert_close(found.double(), right, rtol=2e-5, atol=2e-5)


def test_what_has_no_weight_does_not_enter_even_if_it_is_not_a_number():
    rows, weight, bias, targets, shares = drawn(cross_entropy, 6, 4, 3)
    named = {"readout.weight": weight, "readout.bias": bias}
    shares[1, 2] = 0.0
    without = head_losses(KINDS[cross_entropy], rows, named, targets, shares, None)
    rows[1, 2], targets[1, 2] = float("nan"), -1
    assert torch.equal(head_losses(KINDS[cross_entropy], rows, named, targets, shares, None), without)


@pytest.mark.parametrize("measure", [cross_entropy, set_cross_entropy])
def test_a_run_ends_with_its_last_weight_to_the_same_bits(measure):
    """Behind it stand the steps of other runs of the stack: adjoints of an earlier batch do not stay there."""
    rows, weight, bias, targets, shares = drawn(measure, 13, 5, 3)
    shares[:, -1] = 0.5
    alone = CompiledHead(KINDS[measure], rows, weight, bias)
    losses = alone.losses(targets, shares, None)
    longer = [functional.pad(one, (0, 0) * (one.dim() - 2) + (0, 300)) for one in (rows, targets, shares)]
    longer[0][:, 13:] = float("nan")
    padded = CompiledHead(KINDS[measure], longer[0].contiguous(), weight, bias)
    padded.adjoint.fill_(7.0)
    assert torch.equal(padded.losses(longer[1], longer[2], None), losses)
    assert torch.equal(padded.adjoint[:, :13], alone.adjoint)
    assert not padded.adjoint[:, 13:].any()
    for one, other in zip(padded.gradients, alone.gradients, strict=True):
        assert torch.equal(one, other)


def test_a_readout_may_have_no_bias():
    rows, weight, _, targets, shares = drawn(cross_entropy, 6, 4, 3)
    found = head_losses(KINDS[cross_entropy], rows, {"readout.weight": weight}, targets, shares, None)
    each = [
        (functional.cross_entropy(r @ w.T, t, reduction="none") * s).sum() / s.sum()
        for r, w, t, s in zip(rows, weight, targets, shares, strict=True)
    ]
    torch.testing.assert_close(found, torch.stack(each), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_target_that_is_no_class_is_refused(wrong):
    rows, weight, bias, targets, shares = drawn(cross_entropy, 6, 4, 3)
    targets[1, 0] = wrong
    with pytest.raises(UserError, match="none of its 3 classes, 0 to 2"):
        head_losses(KINDS[cross_entropy], rows, {"readout.weight": weight, "readout.bias": bias}, targets, shares, None)
