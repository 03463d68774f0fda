"""Credit of paths: it sums to the gradient of autograd, and is what the proportion of steps says on small cases."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gatelab
from gatelab import UserError
from gatelab.language import load_variant, variant_files
from gatelab.probes import credit
from gatelab.tasks import Batch
from tests.layers.test_gates import batch_of
from tests.probes.looking import BATCH, HIDDEN, TIME, data, model

EQUATIONS = [name for name in sorted(variant_files()) if load_variant(name).foreign is None]


def gradients(rnn, x, lags):
    """Return ∂(sum of outputs after the last step)/∂x_{T-k}, and ∂/∂s_{T-k}, from autograd through the loop."""
    leaf = x.clone().requires_grad_()
    output, _, _ = rnn.run(leaf)
    (of_x,) = torch.autograd.grad(output[-1].sum(), leaf)
    of_states = {}
    for lag in range(1, lags):
        _, (states,), _ = rnn.run(x[: len(x) - lag])
        states = {name: value.detach().requires_grad_() for name, value in states.items()}
        output, _, _ = rnn.run(x[len(x) - lag :], [states])
        found = torch.autograd.grad(output[-1].sum(), list(states.values()), materialize_grads=True)
        for name, gradient in zip(states, found, strict=True):
            of_states[name, lag] = gradient
    return of_x.flip(0), of_states


@pytest.mark.parametrize("name", EQUATIONS)
def test_paths_sum_to_the_gradient(name):
    rnn = model(name, path="loop")
    x = data(rnn)
    found = credit(rnn, x)
    of_x, of_states = gradients(rnn, x, TIME)
    np.testing.assert_allclose(found.inputs.sum(0), of_x, rtol=1e-6, atol=1e-9)
    for (state, lag), gradient in of_states.items():
        np.testing.assert_allclose(found.states[state][:, lag].sum(0), gradient, rtol=1e-6, atol=1e-9)


def test_a_route_is_shared_by_its_steps():
    """h = f h + W x, f = σ(w) + 0: of a route of n steps the first is W and the others are kept."""
    rnn = model(gatelab.variant("elman").edit(h="vector(0.5)*h + project(x)"))
    x = data(rnn)
    found = credit(rnn, x)
    assert [str(path) for path in found.paths] == ["kept", "through the candidate h"]
    weight = rnn.layers[0].get_parameter("h_weight_x").detach().numpy()
    for lag in range(TIME):
        whole = 0.5**lag * weight.sum(0)
        np.testing.assert_allclose(found.inputs[0, lag, 0], whole * lag / (lag + 1), rtol=1e-12)
        np.testing.assert_allclose(found.inputs[1, lag, 0], whole / (lag + 1), rtol=1e-12)
        if lag:
            np.testing.assert_allclose(found.states["h"][0, lag, 0], 0.5**lag, rtol=1e-12)
    np.testing.assert_allclose(found.shares()[0], np.arange(TIME) / np.arange(1, TIME + 1), rtol=1e-12)


def gradient_of_a_stronger_candidate(layer, x, strength):
    """Return ∂(sum of outputs)/∂x of an LSTM in handwritten torch whose candidate hands on so many times as much."""
    leaf, weights = x.clone().requires_grad_(), layer.learned()
    h = c = torch.zeros(BATCH, HIDDEN, dtype=torch.float64)
    for now in leaf:
        i, f, z, o = (
            now @ weights[f"{gate}_weight_x"].T + h @ weights[f"{gate}_weight_h"].T + weights[f"{gate}_bias"]
            for gate in "ifzo"
        )
        z = torch.tanh(z)
        z = strength * z + (1 - strength) * z.detach()  # the value stays
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * z
        h = torch.sigmoid(o) * torch.tanh(c)
    return torch.autograd.grad(h.sum(), leaf)[0].flip(0).numpy()


def test_credit_is_the_derivative_by_the_strength_of_a_path():
    """Euler: n C_p = ∂G/∂α_p, where α_p multiplies what a path hands on."""
    rnn = model("lstm")
    x = data(rnn)
    found = credit(rnn, x)
    place = [str(path) for path in found.paths].index("through the candidate z")
    more, less = (gradient_of_a_stronger_candidate(rnn.layers[0], x, strength) for strength in (1 + 1e-5, 1 - 1e-5))
    steps = np.arange(1, TIME + 1)[:, None, None]
    np.testing.assert_allclose(found.inputs[place] * steps, (more - less) / 2e-5, rtol=1e-6, atol=1e-9)


def test_sequences_of_other_lengths_and_a_loss_of_ones_own():
    network = gatelab.Network(gatelab.variant("gru"), 3, 1, 4).double()
    x = np.random.default_rng(0).normal(size=(TIME, 2, 3))
    targets = torch.tensor([[0.3], [-1.0]], dtype=torch.float64)
    found = credit(network, batch_of(x, [TIME, 4]), lambda y: (y - targets).square().sum(-1))
    leaf = torch.from_numpy(x).requires_grad_()
    (gradient,) = torch.autograd.grad((network(leaf, [TIME, 4]) - targets).square().sum(), leaf)
    expected = gradient.numpy()
    np.testing.assert_allclose(found.inputs.sum(0)[:, 0], expected[::-1, 0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.inputs.sum(0)[:4, 1], expected[3::-1, 1], rtol=1e-6, atol=1e-9)
    assert not found.inputs[:, 4:, 1].any()


def test_of_several_layers_the_last_is_looked_at():
    rnn = model("lstm", num_layers=2, path="loop")
    x = data(rnn)
    _, _, records = rnn.run(x, record=["h"])
    upper = gatelab.RNN("lstm", 4, 4, dtype=torch.float64, path="loop")
    upper.layers[0].load_state_dict(rnn.layers[1].state_dict())
    np.testing.assert_allclose(credit(rnn, x).inputs, credit(upper, records[0]["h"]).inputs, rtol=1e-9, atol=1e-12)


def output_of(rnn, layer, x):
    """Return the outputs of a layer that read x, from handwritten calls of the layers above it."""
    for one in rnn.layers[layer:]:
        x, _, _ = one(x, None, None, ())
    return x


@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("layer", [0, 1])
def test_paths_of_any_layer_sum_to_the_gradient_of_the_task(layer, readout):
    network = gatelab.Network(gatelab.variant("lstm"), 3, 2, 4, 2, readout=readout, path="loop").double()
    x = np.random.default_rng(0).normal(size=(TIME, BATCH, 3))
    shape = (BATCH,) if readout == "last" else (TIME, BATCH)
    targets = np.random.default_rng(1).normal(size=(*shape, 2))
    weights = np.random.default_rng(2).uniform(size=shape).astype(np.float32)
    targets[..., 0, :], weights[..., 0] = np.nan, 0  # does not count
    batch = Batch(x, np.full(BATCH, TIME), targets, weights, weights)
    squared = SimpleNamespace(losses=lambda y, wanted: (y - wanted).square().sum(-1))
    found = credit(network, batch, layer=layer, task=squared)
    read = torch.from_numpy(x) if layer == 0 else network.rnn.run(torch.from_numpy(x), record=["h"])[2][0]["h"]
    leaf = read.detach().requires_grad_()
    outputs = output_of(network.rnn, layer, leaf)
    predictions = network.readout(outputs[-1] if readout == "last" else outputs)
    loss = (predictions - torch.from_numpy(targets).nan_to_num()).square().sum(-1) * torch.from_numpy(weights)
    (gradient,) = torch.autograd.grad(loss[weights != 0].sum(), leaf)
    np.testing.assert_allclose(found.inputs.sum(0), gradient.flip(0), rtol=1e-6, atol=1e-9)


def test_a_route_counts_its_steps_up_to_where_it_leaves():
    """h = 0.5 h + W x with a loss of the sum of all h: the routes from x_{T-k} have 1 to k + 1 steps."""
    known = gatelab.variant("elman").edit(h="vector(0.5)*h + project(x)")
    network = gatelab.Network(known, 3, 4, 4, readout="every").double()
    network.readout.weight.data, network.readout.bias.data = torch.eye(4).double(), torch.zeros(4).double()
    ones = np.ones((TIME, BATCH), np.float32)
    batch = Batch(np.zeros((TIME, BATCH, 3)), np.full(BATCH, TIME), np.zeros((TIME, BATCH, 4)), ones, ones)
    found = credit(network, batch, task=SimpleNamespace(losses=lambda y, _: y.sum(-1)))
    weight = network.rnn.layers[0].get_parameter("h_weight_x").detach().numpy()
    for lag in range(TIME):
        kept = sum(0.5 ** (steps - 1) * (steps - 1) / steps for steps in range(1, lag + 2))
        np.testing.assert_allclose(found.inputs[0, lag, 0], kept * weight.sum(0), rtol=1e-12)


def test_refusals():
    some = np.zeros((5, 2, 3), np.float32)
    batch = Batch(some, np.full(2, 5), some, some[..., 0], some[..., 0])
    network = gatelab.Network(gatelab.variant("lstm"), 3, 1, 4)
    with pytest.raises(UserError, match="task and loss: one of them"):
        credit(network, batch, lambda y: y, task=SimpleNamespace())
    with pytest.raises(UserError, match=r"task: its loss needs a gatelab.Network and a batch of the task"):
        credit(network, torch.randn(5, 2, 3), task=SimpleNamespace())
    with pytest.raises(UserError, match="layer=1: must be from 0 to 0"):
        credit(gatelab.RNN("lstm", 3, 4), torch.randn(5, 2, 3), layer=1)
    with pytest.raises(UserError, match="variant 'mlstm' is foreign and has no equations to follow gradients through"):
        credit(gatelab.RNN("mlstm", 3, 4), torch.randn(5, 2, 3))
    with pytest.raises(UserError, match="credit: not defined for a bidirectional model"):
        credit(gatelab.RNN("lstm", 3, 4, bidirectional=True), torch.randn(5, 2, 3))
    with pytest.raises(UserError, match="model is a LSTM: must be a gatelab"):
        credit(torch.nn.LSTM(3, 4), torch.randn(5, 2, 3))
    with pytest.raises(UserError, match=r"batch of shape \(5, 2, 4\): must be \(time, batch, 3\)"):
        credit(gatelab.RNN("lstm", 3, 4), torch.randn(5, 2, 4))
