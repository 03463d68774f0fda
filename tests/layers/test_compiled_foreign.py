"""Compiled code of foreign variants agrees with their loop: outputs, states, gates and every gradient."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from gatelab.errors import UserError
from gatelab.language import bounds, load_variant, variant_files
from gatelab.layers.foreign import layer_of

NAMES = [name for name in variant_files() if load_variant(name).foreign is not None]
DOUBLE, SINGLE = torch.float64, torch.float32
BOUND = {DOUBLE: 1e-9, SINGLE: 2e-5}  # of the largest value of a tensor
# time, batch, input, hidden: a whole number of kept memories and not; heads narrower and wider than a vector; one head
SHAPES = [(256, 2, 3, 8), (33, 3, 2, 72), (17, 2, 3, 7), (1, 1, 1, 1)]


def build(name: str, path: str, size: tuple[int, ...], dtype: torch.dtype = DOUBLE):
    torch.manual_seed(0)
    layer = layer_of(load_variant(name), *size, dtype=DOUBLE, path=path)
    return layer.to(dtype)


def drawn(layer, steps: int, batch: int, *lead: int) -> tuple[Tensor, dict[str, Tensor]]:
    torch.manual_seed(1)
    x = torch.randn(*lead, steps, batch, layer.input_size, dtype=DOUBLE)
    return x, {name: torch.randn(*lead, batch, size, dtype=DOUBLE) for name, size in layer.state_sizes().items()}


def results(layer, x: Tensor, states: dict[str, Tensor], lengths=None, weights=None) -> list[Tensor]:
    """Outputs, finals, gates, and gradients of inputs, states and weights."""
    dtype = next(layer.parameters()).dtype
    weights = dict(layer.named_parameters()) if weights is None else weights
    leaves = {key: value.detach().to(dtype).requires_grad_() for key, value in weights.items()}
    x = x.to(dtype).requires_grad_()
    states = {name: value.to(dtype).requires_grad_() for name, value in states.items()}
    output, finals, recorded = functional_call(layer, leaves, (x, states, lengths, list(bounds(layer.variant))))
    values = [output, *finals.values(), *recorded.values()]
    total = sum((value * (value.detach() * 3).cos()).sum() for value in values)
    return [*values, *torch.autograd.grad(total, [x, *states.values(), *leaves.values()])]


def assert_near(found: list[Tensor], law: list[Tensor], bound: float) -> None:
    # a gradient that is 0 but for rounding is measured by the others
    least = 1e-3 * max(float(one.detach().abs().max()) for one in law)
    for ours, theirs in zip(found, law, strict=True):
        apart = float((ours.double() - theirs).detach().abs().max())
        assert apart <= bound * max(float(theirs.detach().abs().max()), least)


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE])
@pytest.mark.parametrize("steps, batch, inputs, hidden", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_compiled_code_agrees_with_the_loop(name, steps, batch, inputs, hidden, dtype):
    layers = [build(name, path, (inputs, hidden), kind) for path, kind in (("loop", DOUBLE), ("native", dtype))]
    law, found = (results(layer, *drawn(layer, steps, batch)) for layer in layers)
    assert_near(found, law, BOUND[dtype])


@pytest.mark.parametrize("name", NAMES)
def test_sequences_that_end_early(name):
    layers = [build(name, path, (2, 8)) for path in ("loop", "native")]
    law, found = (results(layer, *drawn(layer, 20, 3), torch.tensor([20, 0, 7])) for layer in layers)
    assert_near(found, law, BOUND[DOUBLE])


@pytest.mark.parametrize("shift", [-200.0, 0.0, 200.0])
@pytest.mark.parametrize("name", NAMES)
def test_gates_that_are_nearly_always_open_or_shut(name, shift):
    """Exponentials of 200 are no numbers of single precision: the stabiliser keeps them away."""
    loop, native = (build(name, path, (2, 8), SINGLE) for path in ("loop", "native"))
    weights = {key: value.detach().clone() for key, value in loop.named_parameters()}
    weights["i_bias"] += shift
    weights["f_bias"] -= shift / 2
    law, found = (results(layer, *drawn(layer, 40, 2), None, weights) for layer in (loop, native))
    assert all(bool(value.isfinite().all()) for value in found)
    assert_near(found, [value.double() for value in law], 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_bits_do_not_depend_on_threads_or_neighbours(name):
    layer = build(name, "native", (3, 16), SINGLE)
    x, states = drawn(layer, 40, 5)
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(results(layer, x, states))
    torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_of_a_gradient_is_that_of_the_loop(name):
    found = []
    for path in ("loop", "native"):
        layer = build(name, path, (2, 4))
        x = drawn(layer, 5, 2)[0].requires_grad_()
        (first,) = torch.autograd.grad(layer(x)[0].square().sum(), [x], create_graph=True)
        found.append(list(torch.autograd.grad(first.square().sum(), [x, *layer.parameters()])))
    assert_near(found[1], found[0], BOUND[DOUBLE])


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_gradients_is_that_of_the_loop(name):
    found = []
    for path in ("loop", "native"):
        layer = build(name, path, (2, 4))
        output = layer(drawn(layer, 5, 2)[0])[0]
        several = torch.stack([torch.ones_like(output), output.detach()])
        found.append(list(torch.autograd.grad(output, list(layer.parameters()), several, is_grads_batched=True)))
    assert_near(found[1], found[0], BOUND[DOUBLE])


def test_what_compiled_code_cannot_run_is_said(monkeypatch):
    layer = build(NAMES[0], "native", (2, 4), torch.bfloat16)
    with pytest.raises(UserError, match=r"^path=native cannot run: it knows float32 and float64, not bfloat16$"):
        layer(torch.zeros(3, 2, 2, dtype=torch.bfloat16))
    monkeypatch.setattr(type(layer), "no_compiled_steps", lambda *_: "there is no C compiler")
    layer = build(NAMES[0], "auto", (2, 4))
    x = torch.zeros(3, 2, 2, dtype=DOUBLE)
    assert layer.choice(x).path == "loop"
    assert layer.choice(x).reason == "native cannot run: there is no C compiler"
    assert torch.equal(layer(x)[0], build(NAMES[0], "loop", (2, 4))(x)[0])
