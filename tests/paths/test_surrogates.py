"""stop, scale_gradient and straight_through on every path, against torch's own detach and custom functions."""

import numpy as np
import pytest
import torch
from torch import Tensor

from gatelab.compiler import program
from gatelab.compiler.adjoint import plan
from gatelab.language import Variant, load_variant
from gatelab.layers.layer import Layer
from tests.paths.both_paths import assert_same, paths_of, results

TIME, BATCH, INPUT, HIDDEN = 6, 3, 4, 5
RTOL, ATOL = 1e-9, 1e-11


class HardStep(torch.autograd.Function):
    """Forward the Heaviside step, backward the derivative of the logistic function."""

    @staticmethod
    def forward(ctx, net):
        ctx.save_for_backward(net)
        return (net > 0).to(net.dtype)

    @staticmethod
    def backward(ctx, arriving):
        (net,) = ctx.saved_tensors
        open_share = 1 / (1 + torch.exp(-net))
        return arriving * open_share * (1 - open_share)


def scaled(vector: Tensor, factor: float) -> Tensor:
    """Return a vector whose gradient a hook multiplies."""
    copied = vector.clone()
    if copied.requires_grad:
        copied.register_hook(lambda arriving: factor * arriving)
    return copied


def lstm_cell(w, x, h, c, gate=torch.sigmoid, source="h", prefix=""):
    def net(unit):
        return x @ w[f"{unit}_weight_x"].T + h @ w[f"{unit}_weight_{source}"].T + w[f"{unit}_bias"]

    i, f, o = (gate(net(f"{prefix}{unit}")) for unit in "ifo")
    c = f * c + i * torch.tanh(net("z"))
    return o * torch.tanh(c), c


def lstm_truncated(w, x, hidden):
    h = c = x.new_zeros(BATCH, hidden)
    for x_t in x:
        h, c = lstm_cell(w, x_t, h.detach(), c)
        yield h


def h_detach(w, x, hidden):
    h = c = x.new_zeros(BATCH, hidden)
    for x_t in x:
        h, c = lstm_cell(w, x_t, scaled(h, 0.6), c, source="k")
        yield h


def binary_lstm(w, x, hidden):
    h = c = x.new_zeros(BATCH, hidden)
    for x_t in x:
        h, c = lstm_cell(w, x_t, h, c, HardStep.apply, prefix="a_")
        yield h


def lstm_1997_truncated(w, x, hidden):
    y_in = y_out = y = s = x.new_zeros(BATCH, hidden)
    for x_t in x:
        before = {"x": x_t, "h": y.detach(), "i_old": y_in.detach(), "o_old": y_out.detach()}

        def net(unit, before=before):
            return sum(value @ w[f"{unit}_weight_{name}"].T for name, value in before.items())

        y_in, y_out = torch.sigmoid(net("i") + w["i_bias"]), torch.sigmoid(net("o") + w["o_bias"])
        s = s + y_in * (4 * torch.sigmoid(net("z")) - 2)
        y = y_out * (2 * torch.sigmoid(s) - 1)
        yield y


def su_rnn(w, x, hidden):
    h = x.new_zeros(BATCH, hidden)
    for time, x_t in enumerate(x, start=1):
        a = w["a_vector"]
        for sine in ("quick", "middle", "slow"):
            a = a + w[f"{sine}_vector"] * torch.sin(w[f"{sine}_scalar"] * time + w[f"{sine}_vector_2"])
        g = HardStep.apply(a)
        h = h + g * (torch.tanh(x_t @ w["n_weight_x"].T + h @ w["n_weight_h"].T + w["n_bias"]) - h)
        yield h


def own(equations, *state):
    return Variant.from_mapping({"name": "own", "state": list(state), "equations": equations})


LINEAR = own(
    {
        "a": "linear(x)", "z": "straight_through(step(a), sigmoid(a))", "b": "linear(x)",
        "h": "h + z*(scale_gradient(b, scalar(0.3)) - h) + stop(b)*b",
    },
    "h",
)  # fmt: skip


def linear(w, x, hidden):
    h = x.new_zeros(BATCH, hidden)
    for x_t in x:
        z, b = HardStep.apply(x_t @ w["a_weight_x"].T + w["a_bias"]), x_t @ w["b_weight_x"].T + w["b_bias"]
        h = h + z * (scaled(b, w["h_scalar"].item()) - h) + b.detach() * b
        yield h


CASES = {
    **{name: load_variant(name) for name in (
        "lstm_truncated", "h_detach", "binary_lstm", "lstm_1997_truncated", "su_rnn",
    )},
    "linear": LINEAR,
}  # fmt: skip
WRITTEN_AGAIN = (lstm_truncated, h_detach, binary_lstm, lstm_1997_truncated, su_rnn, linear)
TRANSCRIPTIONS = {one.__name__: one for one in WRITTEN_AGAIN}


def test_the_cases_run_on_every_path():
    assert {path for name in CASES for path in paths_of(CASES[name])} == {"loop", "native", "scan"}


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, case in CASES.items() for path in paths_of(case)])
def test_values_and_gradients_are_those_of_torchs_own(name, path):
    torch.manual_seed(4)
    layer = Layer(CASES[name], INPUT, HIDDEN, dtype=torch.float64, path=path)
    for parameter in layer.parameters():
        parameter.data.add_(0.5 * torch.randn_like(parameter))
    weights = dict(layer.named_parameters())
    x = torch.randn(TIME, BATCH, INPUT, dtype=torch.float64, requires_grad=True)
    leaves = [x, *weights.values()]
    wave = torch.arange(TIME * BATCH * HIDDEN, dtype=torch.float64).view(TIME, BATCH, HIDDEN).cos()

    def gradients(outputs):
        return torch.autograd.grad((outputs * wave).sum(), leaves, materialize_grads=True)

    expected = torch.stack(list(TRANSCRIPTIONS[name](weights, x, HIDDEN)))
    outputs = layer(x)[0]
    torch.testing.assert_close(outputs, expected, rtol=RTOL, atol=ATOL)
    for ours, theirs, leaf in zip(gradients(outputs), gradients(expected), ["x", *weights], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=RTOL, atol=ATOL, msg=lambda text, leaf=leaf: f"{leaf}: {text}")


# stopped sources of products, of states that are only handed on, of learned values and of numbers; all of them mixed
MIXED = (
    {"g": "scale_gradient(h, 2)", "h": "tanh(linear(x, g) + linear(stop(g)) + linear(stop(x)) + diag(stop(h)))"},
    {"h": "tanh(linear(x, stop(h)) + linear(h, stop(stop(h))))"},
    {"k": "stop(h)", "h": "tanh(linear(x, k) + project(stop(k)) + k)"},
    {"h": "stop(tanh(linear(x, h)))*bias() + stop(bias())*h + stop(vector(0.5))*stop(1)"},
    {"h": "tanh(linear(x, r)) + 0.1*straight_through(1, h)", "r": "stop(linear(x, h))"},
    {"h": "scale_gradient(0.5*h, 0) + scale_gradient(linear(x), 0.5*h) + straight_through(vector(1), scalar(2))*h"},
    {"u": "linear(x, h)", "h": "tanh(straight_through(floor(u), u)*straight_through(u, stop(u)))"},
)


@pytest.mark.parametrize("equations", MIXED, ids=[str(number) for number in range(len(MIXED))])
@pytest.mark.parametrize("record", [(), ("h",)])
def test_paths_agree(equations, record):
    state = ("h", "r") if "r" in equations else ("h",)
    variant = own(equations, *state)
    sizes = {"inputs": 5} if variant.needs_equal_sizes else {}
    lengths = torch.tensor([4, 2, 0])
    for given in ({}, {"runs": 2}, {"lengths": lengths}):
        law = results("loop", variant, record=record, **sizes, **given)
        for path in paths_of(variant):
            assert_same(results(path, variant, record=record, **sizes, **given), law, torch.float64)


def test_a_stopped_source_costs_no_stage_and_no_product_backwards():
    """lstm_truncated has one product for all its gates, and backwards only that of x."""
    truncated, whole = plan(program(load_variant("lstm_truncated"))), plan(program(load_variant("lstm")))
    assert len(truncated.stages.groups) == len(whole.stages.groups) == 1
    assert truncated.slot_count == whole.slot_count
    assert [product.place.kind for product in truncated.products[0]] == ["input_adjoint"]
    assert sorted(product.place.kind for product in whole.products[0]) == ["input_adjoint", "leaving"]


@pytest.mark.parametrize("path", ["loop", "native"])
def test_a_stopped_recurrence_reaches_no_earlier_input(path):
    """With the cell shut out, truncation leaves of all earlier inputs nothing, and the plain cell something."""
    shut = {"i": "sigmoid(linear(x, stop(h)))", "h": "i*tanh(linear(x, stop(h)))"}
    opened = {name: text.replace("stop(h)", "h") for name, text in shut.items()}
    for equations, reaches in ((shut, False), (opened, True)):
        torch.manual_seed(1)
        layer = Layer(own(equations, "h"), INPUT, HIDDEN, dtype=torch.float64, path=path)
        x = torch.randn(TIME, BATCH, INPUT, dtype=torch.float64, requires_grad=True)
        layer(x)[0][-1].sum().backward()
        assert x.grad is not None
        assert bool(x.grad[-1].any())
        assert bool(x.grad[:-1].any()) is reaches


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, of its forward derivatives
def test_the_loop_has_forward_derivatives_too():
    """torch.func.jvp takes the same derivative as the backward pass: transposed, they are one."""
    variant = load_variant("binary_lstm")
    layer = Layer(variant, INPUT, HIDDEN, dtype=torch.float64, path="loop")
    x, along = torch.randn(2, TIME, BATCH, INPUT, dtype=torch.float64)
    outputs, pushed = torch.func.jvp(lambda x: layer(x)[0], (x,), (along,))
    arriving = torch.randn_like(outputs)
    (pulled,) = torch.func.vjp(lambda x: layer(x)[0], x)[1](arriving)
    np.testing.assert_allclose((pushed * arriving).sum().item(), (pulled * along).sum().item(), rtol=1e-10)
