"""Activations computed again in the backward pass: the same numbers, with less kept."""

import pytest
import torch
from torch.func import functional_call

from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.layers.foreign import layer_of
from gatelab.layers.layer import Layer

NAMES = ("lstm", "gru_v3", "peephole")


def results(layer, inputs, lengths, record=("h",)):
    states = {name: torch.full((3, size), 0.25).double().requires_grad_() for name, size in layer.state_sizes().items()}
    inputs = inputs.clone().requires_grad_()
    output, final, recorded = layer(inputs, states, lengths, record)
    total = output.cos().sum() + sum(state.square().sum() for state in final.values()) + recorded["h"].sum()
    leaves = [inputs, *states.values(), *layer.parameters()]
    return [output, *final.values(), recorded["h"], *torch.autograd.grad(total, leaves)]


@pytest.mark.parametrize("path", ["loop", "native"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lengths", [None, torch.tensor([11, 1, 6])], ids=["whole", "padded"])
def test_segments_change_nothing(name, path, lengths):
    whole = Layer(load_variant(name), 2, 5, dtype=torch.float64, path=path)
    segments = Layer(load_variant(name), 2, 5, dtype=torch.float64, path=path, recompute=4)
    segments.load_state_dict(whole.state_dict())
    inputs = torch.randn(11, 3, 2, dtype=torch.float64)
    for ours, law in zip(results(segments, inputs, lengths), results(whole, inputs, lengths), strict=True):
        torch.testing.assert_close(ours, law, rtol=1e-12, atol=1e-12)


def test_a_stack_runs_in_segments_too():
    layer = Layer(load_variant("lstm"), 2, 5, recompute=3)
    weights = {name: torch.stack([weight, 2 * weight]) for name, weight in layer.named_parameters()}
    inputs = torch.randn(2, 7, 3, 2)
    whole = Layer(load_variant("lstm"), 2, 5)
    output = functional_call(layer, weights, (inputs,))[0]
    torch.testing.assert_close(output, functional_call(whole, weights, (inputs,))[0], rtol=1e-6, atol=1e-6)


def test_the_compiled_path_keeps_no_tape():
    layer = Layer(load_variant("lstm"), 2, 5, path="native", recompute=4)
    output = layer(torch.randn(4, 3, 2))[0]
    (run,) = (node for node, _ in output.grad_fn.next_functions if node is not None)
    assert run.frame is None


def nodes_behind(value):
    """Return how many operations stand in the graph of a value."""
    seen, waiting = set(), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [other for other, _ in node.next_functions]
    return len(seen)


@pytest.mark.parametrize("name", ["lstm", "min_gru", "mlstm"])
def test_the_loop_keeps_no_graph_of_its_steps(name):
    """Of a small layer the graph is larger than the values in it."""
    layer = layer_of(load_variant(name), 2, 5, path="loop", recompute=20)
    whole = layer_of(load_variant(name), 2, 5, path="loop")
    x = torch.randn(100, 3, 2)
    assert nodes_behind(whole(x)[0]) > 400
    assert nodes_behind(layer(x)[0]) < 100


@pytest.mark.parametrize("name", ["gru", "mlstm"])
def test_gradients_of_gradients_of_segments(name):
    torch.manual_seed(0)
    layers = [layer_of(load_variant(name), 2, 4, dtype=torch.float64, path="loop", recompute=r) for r in (None, 2)]
    layers[1].load_state_dict(layers[0].state_dict())
    x = torch.randn(5, 2, 2, dtype=torch.float64)
    found = []
    for layer in layers:
        inputs = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(layer(inputs)[0].cos().sum(), inputs, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), [inputs, *layer.parameters()], allow_unused=True))
    for ours, law in zip(*found, strict=True):
        torch.testing.assert_close(ours, law, rtol=1e-10, atol=1e-12)


def test_a_segment_of_no_steps_is_refused():
    with pytest.raises(UserError, match="recompute=0: must be at least 1"):
        Layer(load_variant("lstm"), 2, 5, recompute=0)
