"""Histograms of gates, on weights set by hand."""

import math

import numpy as np
import pytest
import torch

from gatelab.language import load_variant
from gatelab.layers.network import Network
from gatelab.probes.gates import _histogram, gate_histograms
from gatelab.probes.records import Gate

TIME, BATCH, INPUT, HIDDEN = 4, 3, 2, 5


def stack(variant, *biases, **options):
    """Return a network and stacked weights: all zero, but for the biases given for each run."""
    network = Network(load_variant(variant), INPUT, 2, HIDDEN, **options)
    weights = {name: torch.zeros(len(biases), *value.shape) for name, value in network.named_parameters()}
    for run, values in enumerate(biases):
        for name, value in values.items():
            for key in weights:
                if key.endswith(f".{name}"):
                    weights[key][run] = value
    return network, weights


def shares(gate: Gate):
    return gate.mean, gate.shut, gate.open


def counts(histogram):
    return {index: count for index, count in enumerate(histogram.counts.tolist()) if count}


def test_gates_that_are_open_shut_and_half_open():
    network, weights = stack("lstm", {"f_bias": 10.0, "i_bias": -10.0}, {"o_bias": 10.0})
    first, second = gate_histograms(network, weights, torch.ones(TIME, BATCH, INPUT), None)
    everything = TIME * BATCH * HIDDEN
    assert [gate.name for gate in first] == [gate.name for gate in second] == ["i", "f", "o"]
    assert [counts(gate) for gate in first] == [{0: everything}, {19: everything}, {10: everything}]
    assert [counts(gate) for gate in second] == [{10: everything}, {10: everything}, {19: everything}]
    shut, opened, half = (gate.summary() for gate in first)
    assert shares(shut) == (pytest.approx(1 / (1 + math.exp(10)), abs=1e-7), 1.0, 0.0)
    assert shares(opened) == (pytest.approx(1 / (1 + math.exp(-10)), abs=1e-6), 0.0, 1.0)
    assert shares(half) == (0.5, 0.0, 0.0)
    np.testing.assert_allclose(first[0].edges, np.arange(21) / 20, rtol=0, atol=1e-15)


def test_units_are_counted_one_by_one():
    network, weights = stack("gru", {"u_bias": torch.tensor([-10.0, -2.0, 0.0, 2.0, 10.0])})
    update = {gate.name: gate for gate in gate_histograms(network, weights, torch.zeros(TIME, BATCH, INPUT), None)[0]}[
        "u"
    ]
    each = TIME * BATCH
    # sigmoid(±2) = 0.881, 0.119
    assert counts(update) == {0: each, 2: each, 10: each, 17: each, 19: each}
    assert shares(update.summary()) == (pytest.approx(0.5, abs=1e-6), 0.2, 0.2)


def test_how_fast_a_gate_that_retains_forgets():
    """A gate of 0.9 leaves 1/e after 9.49 steps; of five units the 10 and 90 % quantiles lie between the outer two."""
    forgets = torch.tensor([0.9, 0.9, 0.9, 0.5, 0.99])
    network, weights = stack("lstm", {"f_bias": torch.log(forgets / (1 - forgets))})
    _, forget, _ = gate_histograms(network, weights, torch.zeros(TIME, BATCH, INPUT), None)[0]
    rates = -np.log([0.99, 0.9, 0.9, 0.9, 0.5])
    expected = [rates[0] + 0.4 * (rates[1] - rates[0]), rates[2], rates[3] + 0.6 * (rates[4] - rates[3])]
    assert [getattr(forget.summary(), f"decay_{part}") for part in (10, 50, 90)] == pytest.approx(expected, abs=1e-6)
    assert 1 / forget.summary().decay_50 == pytest.approx(9.49, abs=0.005)


def test_a_gate_that_is_shut_forgets_at_once_and_one_that_writes_has_no_memory():
    network, weights = stack("lstm", {"f_bias": -1000.0})
    write, forget, _ = gate_histograms(network, weights, torch.zeros(TIME, BATCH, INPUT), None)[0]
    assert forget.decay == pytest.approx((math.log(1e6),) * 3, abs=1e-9)
    assert write.decay is None


def test_time_scales_are_means_of_logarithms_over_valid_steps():
    network, weights = stack("lstm", {})
    weights["rnn.layers.0.f_weight_x"][:, :, 0] = 1.0
    x = torch.zeros(TIME, BATCH, INPUT)
    x[:2, :, 0] = torch.tensor([[2.0], [-1.0]])
    x[2:, :, 0] = -50.0  # beyond the end
    lengths = torch.full((BATCH,), 2)
    forget = gate_histograms(network, weights, x, lengths)[0][1]
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(1))) / 2
    assert forget.decay == pytest.approx((expected,) * 3, abs=1e-6)


def test_padding_is_not_counted():
    network, weights = stack("lstm", {"f_bias": 10.0})
    lengths = torch.tensor([4, 1, 2])
    for gate in gate_histograms(network, weights, torch.ones(TIME, BATCH, INPUT), lengths)[0]:
        assert gate.counts.sum() == 7 * HIDDEN


def test_padding_of_a_backward_direction_is_not_counted_either():
    network, weights = stack("gru", {}, bidirectional=True)
    for name, weight in weights.items():
        if name.endswith("u_weight_x"):
            weight.fill_(10.0)
    shown = torch.zeros(TIME, BATCH, INPUT)
    lengths = torch.tensor([4, 1, 2])
    shown[:, 0] = shown[:1, 1] = shown[:2, 2] = 1.0
    gates = {gate.name: gate for gate in gate_histograms(network, weights, shown, lengths)[0]}
    assert counts(gates["0.0.u"]) == counts(gates["0.1.u"]) == {19: 7 * HIDDEN}


def test_layers_and_directions_are_named():
    network, weights = stack("cifg", {}, num_layers=2, bidirectional=True)
    names = [gate.name for gate in gate_histograms(network, weights, torch.zeros(TIME, BATCH, INPUT), None)[0]]
    assert names == [
        f"{layer}.{direction}.{gate}" for layer in (0, 1) for direction in (0, 1) for gate in ("f", "i", "o")
    ]


def test_a_variant_without_gates_has_no_histograms():
    network, weights = stack("elman", {}, {})
    assert gate_histograms(network, weights, torch.zeros(TIME, BATCH, INPUT), None) == [[], []]


def test_values_beyond_1_count_as_open():
    _, weights = stack("lstm", {"i_bias": 1.0})
    growing = Network(load_variant("lstm").edit(i="exp(linear(x, h))"), INPUT, 2, HIDDEN)
    gate = gate_histograms(growing, weights, torch.zeros(1, BATCH, INPUT), None)[0][0]
    assert gate.name == "i"
    assert counts(gate) == {19: BATCH * HIDDEN}
    assert gate.mean == pytest.approx(math.e, abs=1e-6)


def test_values_that_are_not_finite_are_left_out():
    network, weights = stack("lstm", {"f_bias": torch.tensor([float("nan"), 10.0, 10.0, 10.0, 10.0])})
    forget = gate_histograms(network, weights, torch.zeros(1, BATCH, INPUT), None)[0][1]
    assert counts(forget) == {19: BATCH * 4}
    everywhere, broken = stack("lstm", {"f_bias": float("nan")})
    forget = gate_histograms(everywhere, broken, torch.zeros(1, BATCH, INPUT), None)[0][1]
    assert counts(forget) == {}
    assert math.isnan(forget.mean)


def test_nothing_is_left_behind_for_autograd():
    network, weights = stack("lstm", {})
    weights = {name: weight.requires_grad_() for name, weight in weights.items()}
    gate_histograms(network, weights, torch.zeros(TIME, BATCH, INPUT), None)
    assert all(weight.grad is None for weight in weights.values())


def test_gates_of_a_module():
    """Five units have one head, whose gates are relative to the larger of what is kept and what is written."""
    network, weights = stack("mlstm", {"f_bias": 10.0, "i_bias": -10.0}, {"f_bias": -10.0, "o_bias": 10.0})
    keeping, writing = gate_histograms(network, weights, torch.ones(TIME, BATCH, INPUT), None)
    assert [gate.name for gate in keeping] == ["i", "f", "o"]
    heads, units = TIME * BATCH, TIME * BATCH * HIDDEN
    assert [counts(gate) for gate in keeping] == [{0: heads}, {19: heads}, {10: units}]
    assert [counts(gate) for gate in writing] == [{19: heads}, {0: heads}, {19: units}]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_counts_are_those_of_a_histogram(kind):
    random = np.random.default_rng(0)
    values = (1.4 * random.random((400, 8)) - 0.2).astype(kind)
    values[:, :3] = np.linspace(0, 1, 21)[random.integers(0, 21, (400, 3))]  # on the edges
    values[0, :3] = np.nan, np.inf, -np.inf
    finite = values[np.isfinite(values)]
    counts, _ = np.histogram(finite.clip(0, 1), bins=20, range=(0.0, 1.0))
    found = _histogram("f", values, retains=False)
    np.testing.assert_array_equal(found.counts, counts)
    assert found.mean == float(finite.mean())


def test_shares_need_no_histogram():
    network, weights = stack("gru", {"u_bias": torch.tensor([-10.0, -2.0, 0.0, 2.0, 10.0])}, {"r_bias": -2.2})
    weights["rnn.layers.0.u_weight_x"][:, :, 0] = torch.linspace(-3, 3, HIDDEN)
    shown = torch.linspace(-4, 4, TIME * BATCH * INPUT).view(TIME, BATCH, INPUT)
    coarse = gate_histograms(network, weights, shown, None, fine=False)
    fine = gate_histograms(network, weights, shown, None)
    for run, other in zip(coarse, fine, strict=True):
        assert [gate.keyed() for gate in run] == [gate.keyed() for gate in other]
        assert all(gate.counts.shape == (3,) and gate.counts.sum() == TIME * BATCH * HIDDEN for gate in run)
