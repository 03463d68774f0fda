"""Every variant file answers the same questions; adding a file is enough to have it asked."""

import functools

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from gatelab import RNN
from gatelab.compiler import parameter_count
from gatelab.language import bounds, gates, load_variant, variant_files
from tests.conformance.closeness import assert_close
from tests.conformance.references import REFERENCES, Weights
from tests.conformance.sizes import fitting

NAMES = sorted(variant_files())
INPUT, HIDDEN, TIME, BATCH = 3, 4, 5, 2


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


def build(name: str, input_size: int = INPUT, hidden_size: int = HIDDEN, num_layers: int = 1) -> RNN:
    """Return an RNN in double precision, of sizes that fit the variant."""
    return RNN(name, *fitting(load_variant(name), input_size, hidden_size), num_layers).double()


def inputs_for(rnn: RNN, *shape: int) -> Tensor:
    return torch.randn(*shape, rnn.input_size, dtype=torch.float64)


def random_states(rnn: RNN, batch: int) -> list[dict[str, Tensor]]:
    return [
        {state: torch.randn(batch, size, dtype=torch.float64) for state, size in layer.state_sizes().items()}
        for layer in rnn.layers
    ]


def test_the_file_names_its_source_and_itself(name):
    variant = load_variant(name)
    assert variant.name == name
    assert variant.source.strip()


def test_declared_roles_name_equations_or_gates_of_a_module(name):
    variant = load_variant(name)
    assert set(variant.roles.values()) <= set(bounds(variant))


def test_parameter_count_is_that_of_the_formula(name):
    rnn = build(name)
    assert sum(parameter.numel() for parameter in rnn.parameters()) == parameter_count(
        rnn.variant, rnn.input_size, rnn.hidden_size
    )


@pytest.mark.parametrize("time", [0, 1, TIME])
def test_shapes(name, time):
    rnn = build(name, num_layers=2)
    output, finals, _ = rnn.run(inputs_for(rnn, time, BATCH))
    assert output.shape == (time, BATCH, rnn.hidden_size)
    for layer, final in zip(rnn.layers, finals, strict=True):
        sizes = {state: (BATCH, size) for state, size in layer.state_sizes().items()}
        assert {state: tuple(value.shape) for state, value in final.items()} == sizes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(name, dtype):
    rnn = build(name).to(dtype)
    output, finals, _ = rnn.run(inputs_for(rnn, TIME, BATCH).to(dtype))
    assert {output.dtype, *(value.dtype for value in finals[0].values())} == {dtype}


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_values_are_those_of_the_paper(name):
    rnn = build(name)
    weights = {
        parameter.removeprefix("layers.0."): tensor.detach().numpy() for parameter, tensor in rnn.named_parameters()
    }
    kinds: dict[str, dict[str, np.ndarray]] = {"W": {}, "U": {}, "b": {}, "p": {}}
    for parameter, value in weights.items():
        gate, kind, *source = parameter.split("_", 2)
        match kind, source:
            case "weight", ["x"]:
                kinds["W"][gate] = value
            case "weight", _:
                kinds["U"][gate] = value
            case "bias", []:
                kinds["b"][gate] = value
            case "bias", [number]:
                kinds["b"][f"{gate}_{number}"] = value
            case "diagonal", _:
                kinds["p"][gate] = value
            case "vector", _:
                value[:] = [0.5, -1.0, 2.0, -0.25]
                kinds["b"]["u"] = value
    x = inputs_for(rnn, TIME, BATCH)
    states = random_states(rnn, BATCH)
    expected = tuple(states[0][state].numpy() for state in rnn.variant.states)
    outputs = []
    for step in range(TIME):
        expected = REFERENCES[name](Weights(**kinds), x[step].numpy(), *expected)
        outputs.append(expected[0])
    with torch.no_grad():
        output, finals, _ = rnn.run(x, states)
    assert_close(output, torch.from_numpy(np.stack(outputs)))
    for state, value in zip(rnn.variant.states, expected, strict=True):
        assert_close(finals[0][state], torch.from_numpy(value))


def test_gradients_are_those_of_finite_differences(name):
    """Of the values: what functions of the gradient do is in tests/paths/test_surrogates.py."""
    variant = load_variant(name).values_only()
    rnn = RNN(variant, *fitting(variant, 2, 2)).double()
    states = random_states(rnn, BATCH)[0]
    parameters = dict(rnn.named_parameters())
    leaves = [inputs_for(rnn, 3, BATCH), *states.values(), *(value.detach() for value in parameters.values())]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(states, rest, strict=False))
        weights = dict(zip(parameters, rest[len(states) :], strict=True))
        output, finals, _ = functional_call(Run(rnn), prefixed(weights), (x, [given]))
        return output, *finals[0].values()

    assert torch.autograd.gradcheck(run, [leaf.requires_grad_() for leaf in leaves])


def test_a_split_sequence_with_its_state_carried_on_is_the_whole_sequence(name):
    rnn = build(name, num_layers=2)
    x = inputs_for(rnn, 7, BATCH)
    whole, whole_finals, _ = rnn.run(x)
    first, states, _ = rnn.run(x[:3])
    second, finals, _ = rnn.run(x[3:], states)
    assert_close(torch.cat([first, second]), whole)
    for final, whole_final in zip(finals, whole_finals, strict=True):
        for state, value in whole_final.items():
            assert_close(final[state], value)


def test_the_order_of_the_batch_does_not_matter(name):
    rnn = build(name)
    x = inputs_for(rnn, TIME, 4)
    order = torch.tensor([2, 0, 3, 1])
    assert_close(rnn.run(x[:, order])[0], rnn.run(x)[0][:, order])


@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_inputs_give_finite_outputs_and_gradients(name, size, dtype):
    rnn = build(name).to(dtype)
    x = inputs_for(rnn, TIME, BATCH).to(dtype).mul(0.1).add(1).mul(size)
    output, finals, _ = rnn.run(x)
    gradients = torch.autograd.grad(output.sum(), list(rnn.parameters()))
    assert all(bool(value.isfinite().all()) for value in (output, *finals[0].values(), *gradients))


class Run(nn.Module):
    """RNN.run as a module, for torch.func.functional_call."""

    def __init__(self, rnn: RNN) -> None:
        super().__init__()
        self.rnn = rnn

    def forward(self, *arguments):
        return self.rnn.run(*arguments)


def prefixed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"rnn.{parameter}": value for parameter, value in weights.items()}


RUNS = 8


def run_stack(rnn: RNN, weights: dict[str, Tensor], x: Tensor, lengths: Tensor | None, runs: slice) -> list[Tensor]:
    """Return outputs, final states and the gradients of all weights of some runs, trained as one stack."""
    leaves = {parameter: value[runs].clone().requires_grad_() for parameter, value in weights.items()}
    valid = None if lengths is None else lengths[runs]
    output, finals, _ = functional_call(Run(rnn), prefixed(leaves), (x[runs].clone(), None, valid))
    weighting = torch.linspace(-1, 1, output[0].numel(), dtype=output.dtype).view(output.shape[1:])
    gradients = torch.autograd.grad((output * weighting).sum(), list(leaves.values()), materialize_grads=True)
    return [value.detach() for value in (output, *finals[-1].values(), *gradients)]


@functools.cache
def stack_of_runs(name: str, input_size: int, hidden_size: int) -> tuple[RNN, dict[str, Tensor], Tensor, Tensor]:
    rnns = [build(name, input_size, hidden_size).float() for _ in range(RUNS)]
    weights = {
        parameter: torch.stack([rnn.get_parameter(parameter).detach() for rnn in rnns])
        for parameter, _ in rnns[0].named_parameters()
    }
    x = torch.randn(RUNS, 5, 4, rnns[0].input_size)
    return rnns[0], weights, x, torch.randint(0, 6, (RUNS, 4))


@pytest.mark.parametrize("with_lengths", [False, True])
@pytest.mark.parametrize(
    "input_size, hidden_size", [pytest.param(1, 6, marks=pytest.mark.slow), pytest.param(3, 64), pytest.param(2, 7)]
)
def test_a_run_of_a_stack_is_bit_for_bit_the_run_alone(name, input_size, hidden_size, with_lengths):
    rnn, weights, x, lengths = stack_of_runs(name, input_size, hidden_size)
    run = functools.partial(run_stack, rnn, weights, x, lengths if with_lengths else None)
    alone = [run(slice(index, index + 1)) for index in range(RUNS)]
    for runs in (3, 8):
        for stacked, *each in zip(run(slice(runs)), *alone[:runs], strict=True):
            assert torch.equal(stacked, torch.cat(each))


def test_a_stack_of_one_is_the_plain_run(name):
    rnn = build(name, num_layers=2)
    x = inputs_for(rnn, TIME, BATCH)
    weights = {parameter: value.detach()[None] for parameter, value in rnn.named_parameters()}
    lengths = torch.tensor([5, 2])
    output, finals, _ = functional_call(Run(rnn), prefixed(weights), (x[None], None, lengths[None]))
    plain, plain_finals, _ = rnn.run(x, None, lengths)
    assert_close(output[0], plain)
    for final, plain_final in zip(finals, plain_finals, strict=True):
        for state, value in plain_final.items():
            assert_close(final[state][0], value)


def test_values_stay_within_their_declared_range(name):
    rnn = build(name, hidden_size=6)
    rnn.layers[0].path = "loop"  # ranges are of the equations; recorded ones would be compiled for this test alone
    ranges = bounds(rnn.variant)
    for size in (1.0, 30.0):
        _, _, records = rnn.run(size * inputs_for(rnn, 12, 4), record=list(ranges))
        for equation, (low, high) in ranges.items():
            values = records[0][equation]
            # a cumulative sum of shares ends at 1 to rounding
            assert values.min() >= low - 1e-12, equation
            assert values.max() <= high + 1e-12, equation
    assert set(gates(rnn.variant)) <= set(ranges)
