"""Where a gradient is not the derivative of the values, each diagnostic takes the one that it says."""

import numpy as np
import pytest
import torch

import gatelab
from gatelab import probes
from gatelab.cli.explained_variant import explained_variant
from tests.probes.looking import data, model

SURROGATES = ["lstm_truncated", "h_detach", "binary_lstm"]


@pytest.fixture(params=SURROGATES)
def pair(request):
    """A model, and one of the values alone with the same weights."""
    rnn = model(request.param, path="loop")
    values = model(rnn.variant.values_only(), path="loop")
    values.load_state_dict(rnn.state_dict())
    return rnn, values


def test_what_the_network_does_has_the_derivative_of_the_values(pair):
    rnn, values = pair
    x = data(rnn)
    ours, law = probes.dynamics(rnn, x), probes.dynamics(values, x)
    np.testing.assert_array_equal(ours.exponents, law.exponents)
    np.testing.assert_array_equal(ours.eigenvalues, law.eigenvalues)
    memory, of_values = probes.effective_memory(rnn, x), probes.effective_memory(values, x)
    np.testing.assert_array_equal(memory.measured, of_values.measured)
    np.testing.assert_array_equal(probes.time_scales(rnn, x).tau, probes.time_scales(values, x).tau)


def test_what_training_does_has_that_of_the_backward_pass(pair):
    rnn, values = pair
    x = data(rnn)
    assert probes.step_jacobian(rnn.variant).plain() != probes.step_jacobian(values.variant).plain()
    leaf = x.clone().requires_grad_()
    rnn.run(leaf)[0][-1].sum().backward()
    np.testing.assert_allclose(probes.credit(rnn, x).inputs.sum(0), leaf.grad.flip(0), rtol=1e-6, atol=1e-9)
    assert not np.allclose(probes.credit(values, x).inputs.sum(0), leaf.grad.flip(0))


def test_the_truncated_gradient_goes_by_the_cell_alone():
    formulas = probes.step_jacobian(gatelab.variant("lstm_truncated"))
    back_in_time = {place: entry for place, entry in formulas.entries.items() if place[1] != "x"}
    assert list(back_in_time) == [("c", "c"), ("h", "c")]
    assert [str(path) for entry in back_in_time.values() for path in entry] == ["kept", "kept"]
    shares = probes.credit(model("lstm_truncated"), torch.randn(5, 2, 3, dtype=torch.float64)).states["h"]
    assert not shares.any()


def test_the_page_says_which_derivative_it_is():
    page = explained_variant(gatelab.variant("lstm_truncated"), "lstm_truncated", 3, 4, {})
    assert "as the backward pass takes it in training, with stop; not the derivative of the values" in page
    assert "as the backward pass" not in explained_variant(gatelab.variant("lstm"), "lstm", 3, 4, {})
