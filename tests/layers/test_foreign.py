"""Foreign variants: runs, paths, padding and segments around a step, and the mLSTM's stabiliser."""

import math

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from gatelab.compiler import parameter_shapes
from gatelab.errors import UserError
from gatelab.language import bounds, load_variant, variant_files
from gatelab.language.foreign import FOREIGN as FACTS
from gatelab.layers.foreign import FOREIGN_LAYERS, ForeignLayer, layer_of
from gatelab.layers.layer import Layer
from gatelab.paths.choice import Choice

NAMES = [name for name in variant_files() if load_variant(name).foreign is not None]
TIME, BATCH, INPUT, HIDDEN = 6, 3, 2, 8


def build(name: str, hidden_size: int = HIDDEN, **options) -> ForeignLayer:
    layer = layer_of(load_variant(name), INPUT, hidden_size, **{"dtype": torch.float64, **options})
    assert isinstance(layer, ForeignLayer)
    return layer


def sequences(*lead: int) -> Tensor:
    return torch.randn(*lead, TIME, BATCH, INPUT, dtype=torch.float64)


def test_the_list_of_classes_is_the_list_of_facts():
    assert FOREIGN_LAYERS.keys() == FACTS.keys()
    assert type(layer_of(load_variant("lstm"), 2, 3)) is Layer


@pytest.mark.parametrize("hidden_size", [1, 6, 8])
@pytest.mark.parametrize("name", NAMES)
def test_layers_have_what_the_facts_say(name, hidden_size):
    layer = build(name, hidden_size)
    shapes = {key: tuple(value.shape) for key, value in layer.named_parameters()}
    assert shapes == parameter_shapes(layer.variant, INPUT, hidden_size)
    assert tuple(layer.state_sizes()) == layer.variant.states
    gates = bounds(layer.variant)
    output, finals, recorded = layer(sequences(), record=list(gates))
    assert output.shape == (TIME, BATCH, hidden_size)
    assert {state: tuple(value.shape) for state, value in finals.items()} == {
        state: (BATCH, size) for state, size in layer.state_sizes().items()
    }
    for gate, (low, high) in gates.items():
        assert recorded[gate].shape[:2] == (TIME, BATCH)
        assert recorded[gate].min() >= low
        assert recorded[gate].max() <= high


@pytest.mark.parametrize("name", NAMES)
def test_weights_start_within_the_bound_and_follow_the_generator(name):
    layer = build(name)
    layer.reset_parameters(torch.Generator().manual_seed(1))
    first = {key: value.detach().clone() for key, value in layer.named_parameters()}
    layer.reset_parameters(torch.Generator().manual_seed(1))
    for key, value in layer.named_parameters():
        assert torch.equal(value, first[key])
        assert 0 < value.abs().max() <= 1 / math.sqrt(HIDDEN)
    assert len({float(value.flatten()[0]) for value in first.values()}) == len(first)


@pytest.mark.parametrize("name", NAMES)
def test_paths(name):
    assert build(name, path="auto").choice(sequences()) == Choice("native", "the fastest that can run")
    assert build(name, path="native").choice(sequences()) == Choice("native", "asked for")
    assert build(name, path="loop").choice(sequences()) == Choice("loop", "asked for")
    message = f"^path=scan cannot run: variant '{name}' is foreign; must be auto, native or loop$"
    layer = build(name, path="scan")
    with pytest.raises(UserError, match=message):
        layer(sequences())
    with pytest.raises(UserError, match=message):
        layer.choice(sequences())
    with pytest.raises(UserError, match=r"^path=nativ: must be one of auto, .* \(did you mean 'native'\?\)$"):
        build(name, path="nativ")(sequences())


@pytest.mark.parametrize("name", NAMES)
def test_a_padded_sequence_is_the_short_one(name):
    layer, inputs = build(name), sequences()
    gates = list(bounds(layer.variant))
    lengths = torch.tensor([4, 0, TIME])
    output, finals, recorded = layer(inputs, None, lengths, gates)
    for sequence, length in enumerate(lengths.tolist()):
        one, one_finals, one_recorded = layer(inputs[:length, sequence : sequence + 1], None, None, gates)
        torch.testing.assert_close(output[:length, sequence], one[:, 0], rtol=1e-12, atol=1e-12)
        assert not output[length:, sequence].any()
        for state, value in one_finals.items():
            torch.testing.assert_close(finals[state][sequence], value[0], rtol=1e-12, atol=1e-12)
        for gate, values in one_recorded.items():
            if length:
                torch.testing.assert_close(recorded[gate][:length, sequence], values[:, 0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("runs", [None, 2])
@pytest.mark.parametrize("with_lengths", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_segments_change_nothing(name, with_lengths, runs):
    whole, segments = build(name), build(name, recompute=4)
    lead = () if runs is None else (runs,)
    weights = {key: torch.randn(*lead, *value.shape).double() for key, value in whole.named_parameters()}
    inputs = sequences(*lead)
    lengths = torch.tensor([TIME, 1, 5]).expand(*lead, BATCH) if with_lengths else None
    gates = list(bounds(whole.variant))
    found = []
    for layer in (whole, segments):
        leaves = {key: value.clone().requires_grad_() for key, value in weights.items()}
        output, finals, recorded = functional_call(layer, leaves, (inputs, None, lengths, gates))
        values = [output, *finals.values(), *recorded.values()]
        total = sum((value * value.detach().cos()).sum() for value in values)
        found.append([*values, *torch.autograd.grad(total, list(leaves.values()))])
    for ours, law in zip(*found, strict=True):
        torch.testing.assert_close(ours, law, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_is_each_run_alone(name):
    layer = build(name, dtype=torch.float32)
    weights = {key: torch.randn(3, *value.shape) for key, value in layer.named_parameters()}
    inputs, lengths = sequences(3).float(), torch.tensor([[6, 2, 3], [1, 6, 0], [6, 6, 6]])
    states = {state: torch.randn(3, BATCH, size) for state, size in layer.state_sizes().items()}
    gates = list(bounds(layer.variant))
    output, finals, recorded = functional_call(layer, weights, (inputs, states, lengths, gates))
    for run in range(3):
        own = {key: value[run].clone() for key, value in weights.items()}
        mine = {state: value[run].clone() for state, value in states.items()}
        alone = functional_call(layer, own, (inputs[run].clone(), mine, lengths[run], gates))
        assert torch.equal(output[run], alone[0])
        assert all(torch.equal(finals[state][run], value) for state, value in alone[1].items())
        assert all(torch.equal(recorded[gate][run], value) for gate, value in alone[2].items())


def test_the_stabiliser_of_an_mlstm_changes_no_output():
    """C and n times exp(a), with m less by a, are the same memory: the paper's C is ours times exp(m)."""
    layer, inputs = build("mlstm"), sequences()
    states = {state: torch.randn(BATCH, size).double() for state, size in layer.state_sizes().items()}
    shift = torch.tensor([-3.0, 0.5, 2.0], dtype=torch.float64)[:, None]
    shifted = {"C": states["C"] * shift.exp(), "n": states["n"] * shift.exp(), "m": states["m"] - shift}
    output, finals, _ = layer(inputs, states)
    same, same_finals, _ = layer(inputs, shifted)
    torch.testing.assert_close(same, output, rtol=1e-12, atol=1e-12)
    size = HIDDEN // 4
    for state, width in (("C", size * size), ("n", size)):
        ours, others = (
            final[state].unflatten(-1, (4, width)) * final["m"].exp().unsqueeze(-1) for final in (finals, same_finals)
        )
        torch.testing.assert_close(others, ours, rtol=1e-12, atol=1e-12)


def test_an_mlstm_whose_memory_is_all_but_empty_reads_almost_nothing():
    """With an input gate of exp(-200), the paper's divisor is 1, and ours exp(200), which single precision has not."""
    layer = build("mlstm", dtype=torch.float32)
    weights = {key: torch.zeros_like(value) for key, value in layer.named_parameters()}
    for key in ("q_bias", "k_bias", "v_bias"):
        weights[key] += 1
    weights["i_bias"] -= 200
    weights["f_bias"] -= 200
    weights = {key: value.requires_grad_() for key, value in weights.items()}
    output, _, _ = functional_call(layer, weights, (sequences().float(),))
    assert not output.any()
    assert all(bool(grad.isfinite().all()) for grad in torch.autograd.grad(output.sum(), list(weights.values())))


def test_an_mlstm_that_asks_for_nothing_is_told_nothing():
    """A query of 0 against a memory written with exp(200): 0 over the paper's 1."""
    layer = build("mlstm", dtype=torch.float32)
    weights = {key: torch.zeros_like(value) for key, value in layer.named_parameters()}
    for key in ("k_bias", "v_bias"):
        weights[key] += 1
    weights["i_bias"] += 200
    output, _, _ = functional_call(layer, weights, (sequences().float(),))
    assert not output.any()


def test_an_mlstm_with_one_key_reads_the_mean_of_its_values():
    """Every gate open, nothing forgotten: C is the sum of the values and n counts them, both times the key."""
    layer = build("mlstm", 4)  # 4 heads of one number each
    weights = {key: torch.zeros_like(value) for key, value in layer.named_parameters()}
    weights["q_bias"] += 2
    weights["k_bias"] += 3
    weights["v_weight_x"][:, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    weights["f_bias"] += 1000
    weights["o_bias"] += 1000
    inputs = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)[:, None, None].expand(3, 1, INPUT)
    output, _, _ = functional_call(layer, weights, (inputs,))
    means = torch.tensor([1.0, 1.5, 3.0], dtype=torch.float64)
    expected = means[:, None] * torch.arange(1.0, 5.0, dtype=torch.float64)
    torch.testing.assert_close(output[:, 0], expected, rtol=1e-12, atol=1e-12)
