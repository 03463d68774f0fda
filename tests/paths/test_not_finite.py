"""Infinities and NaN are equal on every path, in values and gradients, for every function."""

import itertools

import pytest
import torch

from gatelab.compiler import program
from gatelab.language import Variant
from gatelab.language.functions import COMPOSED, ELEMENTARY
from tests.paths.both_paths import run

NAN, INF = float("nan"), float("inf")
POINTS = (NAN, INF, -INF, 0.0, -0.0, 1e30, -1e30, 1e-30, -1e-30, 1.0, -1.0, 3.0, -3.0, 0.5, -0.5)
# where derivatives come near to 0, how near is a matter of rounding: no infinite adjoint
FAR = (100.0, -100.0)
PAIRS = tuple(itertools.product(POINTS[:10], POINTS[:10]))
ARRIVING = (1.0, -2.0, 0.0, INF, NAN)

OF_ONE = {name: f"{name}(p)" for name, function in (ELEMENTARY | COMPOSED).items() if function.arity == 1}
OF_ONE |= {
    text: text
    for text in (
        "0*p", "p*0", "p*1", "p + 0", "0 + p", "p - 0", "0 - p", "-p", "p - p", "p/p", "0/p", "1/p", "2/p", "-1/p",
        "p/1", "p/2", "p/0", "1*p", "-1*p", "p**0", "p**1", "p**2", "p**3", "p**-1", "p**-2", "p**0.5", "p**-0.5",
        "p**1.5", "0*log(p)", "0*exp(p)", "exp(p)*0 + p", "sign(p)*exp(p)", "step(p)/p", "floor(p)*0", "relu(exp(p))",
        "relu(log(p))", "max(p, 0)", "min(p, 0)", "hard_tanh(log(p))", "abs(log(p))", "0*(0*p)",
        "p*p - p*p", "sqrt(p)*sqrt(p)", "-(-p)", "stop(p)*p", "scale_gradient(p, 2)", "scale_gradient(p, 0) + p",
        "straight_through(step(p), p)", "straight_through(1, log(p))", "stop(log(p)) + p",
    )
}  # fmt: skip
OF_TWO = ("min(p, q)", "max(p, q)", "p + q", "p - q", "p*q", "p/q", "(p + q)*0", "p/q + q", "exp(p)*step(q)", "0*p + q",
          "scale_gradient(p, q)", "straight_through(p, q)", "straight_through(p, q)*q")  # fmt: skip


def outcome(path: str, text: str, points: tuple[torch.Tensor, ...], arriving: float) -> list[torch.Tensor]:
    """Return values and gradients of an expression of old states, one state for each letter."""
    names = ("p", "q")[: len(points)]
    equations = {"h": text, **{name: name for name in names}}
    variant = Variant.from_mapping({"name": "tried", "state": ["h", *names], "equations": equations})
    width = len(points[0])
    states = {name: point[None].clone().requires_grad_() for name, point in zip(names, points, strict=True)}
    alive = {name: state for name, state in states.items() if name in variant.states}
    full = {name: alive.get(name, torch.zeros(1, width, dtype=points[0].dtype)) for name in variant.states}
    x = torch.zeros(1, 1, width, dtype=points[0].dtype)
    output, _, _ = run(path, program(variant), {}, x, full, width)
    if not output.requires_grad:
        return [output.detach(), *(torch.zeros_like(state) for state in states.values())]
    output.backward(torch.full_like(output, arriving))
    return [output.detach(), *(torch.zeros_like(s) if s.grad is None else s.grad for s in states.values())]


def assert_alike(text: str, *points: torch.Tensor, arriving: tuple[float, ...] = ARRIVING) -> None:
    for one in arriving:
        native = outcome("native", text, points, one)
        loop = outcome("loop", text, points, one)
        for name, ours, law in zip(("value", "of p", "of q"), native, loop, strict=False):
            torch.testing.assert_close(
                ours, law, rtol=1e-4, atol=1e-35, equal_nan=True,
                msg=lambda m, name=name, one=one: f"{name} for an adjoint of {one}: {m}",
            )  # fmt: skip


@pytest.mark.parametrize("text", OF_ONE.values(), ids=OF_ONE)
def test_of_one_value(text):
    for dtype in (torch.float32, torch.float64):
        assert_alike(text, torch.tensor(POINTS, dtype=dtype))
        assert_alike(text, torch.tensor(FAR, dtype=dtype), arriving=(1.0, 0.0, NAN))


@pytest.mark.parametrize("text", OF_TWO)
def test_of_two_values(text):
    p, q = (torch.tensor(values) for values in zip(*PAIRS, strict=True))
    assert_alike(text, p, q)
