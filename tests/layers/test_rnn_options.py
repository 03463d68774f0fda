"""What an RNN has beside torch's: openings, no biases, its gates by name, and a text that shows its equations."""

import copy
import pickle

import numpy as np
import pytest
import torch

import gatelab
from gatelab.language import load_variant
from gatelab.language.biases import without_biases
from gatelab.language.library import variant_files

EQUATIONS = [name for name in variant_files() if load_variant(name).foreign is None]


@pytest.mark.parametrize("name", EQUATIONS)
def test_without_biases_everything_else_stays(name):
    variant = load_variant(name)
    bare = without_biases(variant)
    kept = [(one.name, one.kind, one.initial, one.form) for one in variant.parameters if one.kind != "bias"]
    assert [(one.name, one.kind, one.initial, one.form) for one in bare.parameters] == kept
    assert (bare.states, bare.output, bare.roles) == (variant.states, variant.output, variant.roles)
    assert list(bare.equations) == list(variant.equations)


@pytest.mark.parametrize("name", ["lstm", "gru", "peephole", "mgu", "layer_norm_lstm"])
def test_without_biases_it_computes_what_it_does_with_biases_of_zero(name):
    bare = gatelab.RNN(name, 3, 4, bias=False, dtype=torch.float64)
    whole = gatelab.RNN(name, 3, 4, dtype=torch.float64, opening="zero")
    learned = whole.state_dict() | bare.state_dict()
    whole.load_state_dict(learned)
    assert {key for key in learned if key not in bare.state_dict()} == {
        f"layers.0.{one.name}" for one in load_variant(name).parameters if one.kind == "bias"
    }
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    assert torch.allclose(bare(x)[0], whole(x)[0], rtol=0, atol=1e-12)


def test_a_bias_of_its_own_becomes_zero():
    mapping = {"name": "own", "state": ["h"], "equations": {"h": "tanh(project(x, h) + bias())"}}
    bare = without_biases(gatelab.Variant.from_mapping(mapping))
    assert bare.equations == {"h": "tanh(project(x, h) + 0)"}


@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU])
def test_a_torch_module_without_biases_comes_and_goes(kind):
    module = kind(3, 4, 2, bias=False, bidirectional=True)
    rnn = gatelab.RNN.from_torch(module)
    x = torch.randn(6, 2, 3)
    assert torch.allclose(rnn(x)[0], module(x)[0], atol=1e-6)
    assert not [name for name, _ in rnn.named_parameters() if "bias" in name]
    back = rnn.to_torch()
    assert not back.bias
    assert all(torch.equal(back.state_dict()[name], value) for name, value in module.state_dict().items())


def test_an_opening_sets_the_biases_as_a_run_of_it_would():
    rnn = gatelab.RNN("lstm", 3, 500, 2, opening={"name": "chrono", "max_time": 30})
    for layer in rnn.layers:
        forget, write = layer.get_parameter("f_bias").detach(), layer.get_parameter("i_bias").detach()
        assert torch.equal(forget, -write)
        # Tallec & Ollivier 2018, equation 16: log U(1, T - 1)
        assert forget.min() >= 0 and forget.max() <= np.log(29)
        assert float(forget.exp().mean()) == pytest.approx(15, abs=2)
        assert not layer.get_parameter("o_bias").any()
    assert gatelab.RNN("lstm", 3, 4, opening="one").layers[0].get_parameter("f_bias").tolist() == [1.0] * 4


def test_an_opening_follows_the_seed_and_comes_back_with_new_weights():
    def biases(seed):
        torch.manual_seed(seed)
        return gatelab.RNN("gru", 3, 8, opening="uniform").layers[0].get_parameter("u_bias").tolist()

    assert biases(1) == biases(1) != biases(2)
    rnn = gatelab.RNN("lstm", 3, 8, opening="one")
    rnn.reset_parameters(torch.Generator().manual_seed(3))
    assert rnn.layers[0].get_parameter("f_bias").tolist() == [1.0] * 8


def test_gates_are_what_the_equations_say():
    rnn = gatelab.RNN("peephole", 3, 4, dtype=torch.float64)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    output, _ = rnn(x)
    values = rnn.gates(x)
    assert list(values) == ["i", "f", "o"]
    layer = rnn.layers[0]

    def squashed(gate, x, h, c):
        weights = [layer.get_parameter(f"{gate}_{name}") for name in ("weight_x", "weight_h", "bias", "diagonal_c")]
        return torch.sigmoid(x @ weights[0].T + h @ weights[1].T + weights[2] + c * weights[3])

    h = c = torch.zeros(2, 4, dtype=torch.float64)
    for step in range(5):
        i, f = squashed("i", x[step], h, c), squashed("f", x[step], h, c)
        assert torch.allclose(values["i"][step], i, atol=1e-12) and torch.allclose(values["f"][step], f, atol=1e-12)
        z = torch.tanh(x[step] @ layer.get_parameter("z_weight_x").T + h @ layer.get_parameter("z_weight_h").T
                       + layer.get_parameter("z_bias"))  # fmt: skip
        c = f * c + i * z
        o = squashed("o", x[step], h, c)
        assert torch.allclose(values["o"][step], o, atol=1e-12)
        h = o * torch.tanh(c)
        assert torch.allclose(output[step], h, atol=1e-12)


def test_gates_have_the_form_of_the_inputs():
    rnn = gatelab.RNN("gru", 3, 4, 2, batch_first=True, bidirectional=True)
    x = torch.randn(2, 7, 3)
    values = rnn.gates(x, lengths=[7, 5])
    assert list(values) == [f"{place}.{gate}" for place in ("0.0", "0.1", "1.0", "1.1") for gate in "ru"]
    assert all(value.shape == (2, 7, 4) and not value[1, 5:].any() for value in values.values())
    alone = rnn.gates(x[1, :5])
    assert all(torch.allclose(alone[name], value[1, :5], atol=1e-6) for name, value in values.items())
    assert {name: value.shape[2] for name, value in gatelab.RNN("mlstm", 3, 8).gates(torch.randn(5, 2, 3)).items()} == {
        "i": 4, "f": 4, "o": 8,
    }  # fmt: skip


def test_print_shows_equations_sizes_and_options():
    text = str(gatelab.RNN("gru", 3, 4, 2, bias=False, opening=None, bidirectional=True))
    assert text.splitlines()[1:6] == [
        "  gru, input_size=3, hidden_size=4, num_layers=2, bias=False, bidirectional=True, 456 parameters",
        "    r_t = σ(W_rx x_t + W_rh h_{t-1})",
        "    u_t = σ(W_ux x_t + W_uh h_{t-1})",
        "    n_t = tanh(W_nx x_t + r_t ⊙ (W_nh h_{t-1}))",
        "    h_t = (1 - u_t) ⊙ n_t + u_t ⊙ h_{t-1}",
    ]
    assert "opening=chrono" in str(gatelab.RNN("lstm", 3, 4, opening="chrono"))


@pytest.mark.parametrize("options", [{}, {"opening": "chrono"}, {"bias": False, "bidirectional": True}])
def test_copies_and_pickles_are_the_same(options):
    rnn = gatelab.RNN("lstm", 3, 4, 2, **options)
    x = torch.randn(5, 2, 3)
    for other in (copy.deepcopy(rnn), pickle.loads(pickle.dumps(rnn))):
        assert torch.equal(other(x)[0], rnn(x)[0])
        assert str(other) == str(rnn)
    fresh = gatelab.RNN("lstm", 3, 4, 2, **options)
    fresh.load_state_dict(rnn.state_dict())
    assert torch.equal(fresh(x)[0], rnn(x)[0])
