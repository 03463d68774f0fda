"""Gates asked of networks and RNNs: on every path, of every variant, with gradients, from batches and from torch."""

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

import gatelab
from gatelab import UserError
from gatelab.language import gates, load_variant, variant_files
from gatelab.tasks import Batch
from tests.conformance.sizes import fitting
from tests.paths.both_paths import TOLERANCE, assert_same, paths_of, results

TIME, BATCH = 5, 2


def rnn_of(variant, **options):
    return gatelab.RNN(variant, *fitting(variant, 3, 4), dtype=torch.float64, **options)


@pytest.mark.parametrize("name", sorted(variant_files()))
def test_every_variant_shows_its_gates(name):
    variant = load_variant(name)
    rnn = rnn_of(variant, num_layers=2, path="loop")
    values = rnn.gates(torch.randn(TIME, BATCH, rnn.input_size, dtype=torch.float64), lengths=[TIME, 3])
    assert list(values) == [f"{layer}.0.{gate}" for layer in (0, 1) for gate in gates(variant)]
    for value in values.values():
        assert value.shape[:2] == (TIME, BATCH)
        assert bool(value.isfinite().all())
        assert not bool(value[3:, 1].any())


# of every kind of state, gate and size; compiled code for all of the catalogue takes minutes
@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "gru", "fgr", "slstm", "phased_lstm", "hgrn", "min_gru", "intersection_rnn"])
def test_gates_and_their_gradients_are_the_same_on_every_path(name):
    variant = load_variant(name)
    shown = gates(variant)
    sizes = dict(zip(("inputs", "hidden"), fitting(variant, 3, 4), strict=True))
    law, *others = [results(path, variant, **sizes, record=shown) for path in reversed(paths_of(variant))]
    for found in others:
        assert_same(found, law, torch.float64)


@pytest.mark.parametrize("path", ["loop", "native", "scan"])
def test_numbers_and_gradients_of_a_path(path):
    """A variant that the scan can run as well."""
    rnn = rnn_of(load_variant("qrnn_fo"), path=path)
    law = rnn_of(load_variant("qrnn_fo"), path="loop")
    law.load_state_dict(rnn.state_dict())
    x = torch.randn(TIME, BATCH, 3, dtype=torch.float64)
    for name in ("f", "o"):
        value, expected = rnn.gates(x)[name], law.gates(x)[name]
        torch.testing.assert_close(value, expected, rtol=TOLERANCE[torch.float64][0], atol=1e-12)
        found = torch.autograd.grad(value.square().sum(), rnn.layers[0].get_parameter(f"{name}_bias"))
        wanted = torch.autograd.grad(expected.square().sum(), law.layers[0].get_parameter(f"{name}_bias"))
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)


def test_gradients_reach_gates_where_asked():
    rnn = gatelab.RNN("lstm", 3, 4)
    assert all(value.requires_grad for value in rnn.gates(torch.randn(TIME, BATCH, 3)).values())
    with torch.no_grad():
        assert not any(value.requires_grad for value in rnn.gates(torch.randn(TIME, BATCH, 3)).values())


def test_gates_of_a_variant_of_ones_own():
    own = gatelab.variant("peephole").edit(i="1 - f", o="sigmoid(linear(x))")
    assert list(gatelab.RNN(own, 3, 4).gates(torch.randn(TIME, BATCH, 3))) == ["f", "i", "o"]


@pytest.mark.parametrize(("kind", "order"), [(torch.nn.LSTM, "ifgo"), (torch.nn.GRU, "ru")])
def test_weights_carried_over_from_torch_give_the_gates_of_handwritten_torch(kind, order):
    module = kind(3, 4)
    x = torch.randn(TIME, BATCH, 3)
    values = gatelab.RNN.from_torch(module).gates(x)
    output, _ = module(x)
    before = torch.cat([torch.zeros(1, BATCH, 4), output[:-1]])
    rows = {name: slice(4 * place, 4 * place + 4) for place, name in enumerate(order)}
    for name in set(order) & set(values):
        row = rows[name]
        expected = torch.sigmoid(
            x @ module.weight_ih_l0[row].T + before @ module.weight_hh_l0[row].T
            + module.bias_ih_l0[row] + module.bias_hh_l0[row]
        )  # fmt: skip
        torch.testing.assert_close(values[name], expected, rtol=1e-5, atol=1e-6)
    assert set(values) == set(order) - {"g"}


def batch_of(inputs, lengths):
    nothing = np.zeros(len(lengths), np.float32)
    return Batch(inputs, np.array(lengths), nothing, nothing, nothing)


def test_a_batch_brings_its_lengths_along():
    network = gatelab.Network(gatelab.variant("gru"), 3, 1, 4)
    x = np.random.default_rng(0).normal(size=(TIME, BATCH, 3)).astype(np.float32)
    found = network.gates(batch_of(x, [TIME, 3]))
    expected = network.gates(torch.from_numpy(x), [TIME, 3])
    assert all(torch.equal(found[name], expected[name]) for name in ("r", "u"))
    assert all(value.dtype is torch.float64 for value in network.double().gates(batch_of(x, [TIME, 3])).values())


def test_what_is_no_batch_is_refused_in_one_line():
    network = gatelab.Network(gatelab.variant("gru"), 3, 1, 4)
    x = np.zeros((TIME, BATCH, 2), np.float32)
    with pytest.raises(UserError, match=r"input of shape \(5, 2, 2\)"):
        network.gates(batch_of(x, [TIME, 3]))
    with pytest.raises(UserError, match="lengths= is known of a batch: must be left out"):
        network.gates(batch_of(x, [TIME, 3]), [TIME, 3])
    with pytest.raises(UserError, match="input is a str: must be a batch of a task, an array or a tensor"):
        network.gates("validation")


def test_gates_of_packed_sequences_are_padded():
    rnn = gatelab.RNN("lstm", 3, 4)
    short, long = torch.randn(3, 3), torch.randn(TIME, 3)
    values = rnn.gates(pack_sequence([short, long], enforce_sorted=False))
    for name, value in values.items():
        assert value.shape == (TIME, 2, 4)
        torch.testing.assert_close(value[:3, 0], rnn.gates(short)[name])
        torch.testing.assert_close(value[:, 1], rnn.gates(long)[name])
        assert not bool(value[3:, 0].any())
