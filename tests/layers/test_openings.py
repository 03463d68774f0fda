"""Where gates start: the value of every bias, by hand, and that nothing but biases changes."""

import numpy as np
import pytest
import torch

from gatelab import RNN
from gatelab.errors import UserError
from gatelab.layers.openings import OPENINGS, opened_biases, opening_from_mapping
from gatelab.randomness import generator

HIDDEN = 5
GATED = ("cifg", "gru", "gru_v3", "janet", "lstm", "mgu", "peephole", "ur_lstm")


def opened(opening, variant, seed=0, hidden=HIDDEN, **options):
    rnn = RNN(variant, 3, hidden, **options)
    rnn.reset_parameters(torch.Generator().manual_seed(7))
    opening_from_mapping({"name": opening} if isinstance(opening, str) else opening).apply(
        rnn, generator(seed, "opening")
    )
    return rnn


def biases(layer):
    """Return the biases and learned vectors of a layer, by name."""
    return {
        parameter.name: layer.get_parameter(parameter.name).detach().numpy()
        for parameter in layer.variant.parameters
        if parameter.kind in ("bias", "vector")
    }


# the biases of the retaining gate and of the writing gate
OPENED = {
    "lstm": (("f_bias",), ("i_bias",)),
    "peephole": (("f_bias",), ("i_bias",)),
    "cifg": (("f_bias",), ()),
    "gru": (("u_bias",), ()),
    "gru_v3": (("u_bias",), ()),
    "mgu": ((), ("f_bias",)),
    "janet": (("s_bias",), ()),
    "ur_lstm": (("b_vector",), ()),
    "elman": ((), ()),
}


@pytest.mark.parametrize("variant", OPENED)
def test_which_biases_are_opened(variant):
    assert opened_biases(RNN(variant, 1, 1).variant) == OPENED[variant]


def test_a_coupled_gate_lends_itself_the_bias_below_it():
    reversed_cifg = RNN("cifg", 1, 1).variant.edit(f="1 - i", i="sigmoid(linear(x, h))")
    assert opened_biases(reversed_cifg) == ((), ("i_bias",))


def test_given_numbers_are_dealt_out_in_turn():
    before, after = opened("default", "lstm"), opened({"name": "given", "expose": [-1, -2], "retain": 3}, "lstm")
    for drawn, layer in zip(before.layers, after.layers, strict=True):
        assert biases(layer)["o_bias"].tolist() == [-1, -2, -1, -2, -1]
        assert biases(layer)["f_bias"].tolist() == [3] * HIDDEN
        for name in ("i_bias", "z_bias"):
            np.testing.assert_array_equal(biases(layer)[name], biases(drawn)[name])


def test_given_numbers_need_a_gate_and_leave_a_variant_without_roles_alone():
    with pytest.raises(UserError, match=r"opening\.write: variant 'gru' has no write gate with a bias; must be null"):
        opened({"name": "given", "write": [1]}, "gru")
    before, after = opened("default", "elman"), opened({"name": "given", "write": [1]}, "elman")
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))


@pytest.mark.parametrize("variant", GATED)
def test_one(variant):
    retaining, writing = OPENED[variant]
    for value in (1.0, 2.5):
        rnn = opened({"name": "one", "value": value}, variant)
        for name, found in biases(rnn.layers[0]).items():
            # a writing gate of its own is left at 0; one that stands for the retaining gate starts shut
            shut = name in writing and not retaining
            expected = value if name in retaining else -value if shut else 0.0
            np.testing.assert_array_equal(found, np.full(HIDDEN, expected, np.float32))


@pytest.mark.parametrize("variant", [*GATED, "elman"])
def test_zero(variant):
    assert all(not found.any() for found in biases(opened("zero", variant).layers[0]).values())


@pytest.mark.parametrize("variant", [*GATED, "elman"])
def test_default_leaves_everything_as_it_was_drawn(variant):
    rnn = RNN(variant, 3, HIDDEN)
    rnn.reset_parameters(torch.Generator().manual_seed(7))
    for name, found in opened("default", variant).state_dict().items():
        torch.testing.assert_close(found, rnn.state_dict()[name], rtol=0, atol=0)


@pytest.mark.parametrize("variant", GATED)
@pytest.mark.parametrize("opening", ["chrono", "uniform"])
def test_drawn_openings_follow_the_generator(variant, opening):
    retaining, writing = OPENED[variant]
    random = generator(3, "opening")
    if opening == "chrono":
        drawn = np.log(random.uniform(1, 99, HIDDEN))
    else:
        share = random.uniform(1 / HIDDEN, 1 - 1 / HIDDEN, HIDDEN)
        drawn = np.log(share / (1 - share))
    for name, found in biases(opened(opening, variant, seed=3).layers[0]).items():
        mirrored = name in writing and (opening == "chrono" or not retaining)
        expected = drawn if name in retaining else -drawn if mirrored else np.zeros(HIDDEN)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_chrono_covers_its_range_and_closes_the_input_gate():
    found = biases(opened({"name": "chrono", "max_time": 50}, "lstm", hidden=4000).layers[0])
    memory = np.exp(found["f_bias"].astype(np.float64))
    assert memory.min() > 1
    assert memory.max() < 49
    # quartiles of U(1, 49); their standard error is below 0.4
    np.testing.assert_allclose(np.quantile(memory, [0.25, 0.5, 0.75]), [13, 25, 37], rtol=0, atol=1.5)
    np.testing.assert_array_equal(found["i_bias"], -found["f_bias"])


def test_uniform_covers_the_activations_of_the_retaining_gate():
    hidden = 4000
    retained = 1 / (1 + np.exp(-biases(opened("uniform", "gru", hidden=hidden).layers[0])["u_bias"].astype(np.float64)))
    assert retained.min() > 1 / hidden
    assert retained.max() < 1 - 1 / hidden
    np.testing.assert_allclose(np.quantile(retained, [0.1, 0.25, 0.5, 0.9]), [0.1, 0.25, 0.5, 0.9], rtol=0, atol=0.04)


def test_uniform_with_a_single_unit_starts_half_open():
    assert biases(opened("uniform", "lstm", hidden=1).layers[0])["f_bias"].tolist() == [0.0]


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize("variant", GATED)
def test_only_biases_change(opening, variant):
    rnn = RNN(variant, 3, HIDDEN)
    rnn.reset_parameters(torch.Generator().manual_seed(7))
    before = rnn.state_dict()
    others = [p.name for p in rnn.variant.parameters if p.kind not in ("bias", "vector")]
    assert others
    role = {"mgu": "write", "ur_lstm": "expose", "janet": None}.get(variant, "retain")
    if opening == "given":
        opening = {"name": "given", role: [1.0]} if role else "zero"
    after = opened(opening, variant).layers[0]
    for name in others:
        torch.testing.assert_close(after.get_parameter(name).data, before[f"layers.0.{name}"], rtol=0, atol=0)


@pytest.mark.parametrize("opening", ["chrono", "uniform"])
def test_every_layer_and_direction_is_opened_with_numbers_of_its_own(opening):
    rnn = opened(opening, "lstm", num_layers=2, bidirectional=True)
    drawn = [tuple(biases(layer)["f_bias"].tolist()) for layer in rnn.layers]
    assert len(set(drawn)) == 4
    assert all(not biases(layer)["o_bias"].any() for layer in rnn.layers)


def test_one_opens_every_layer_and_direction():
    rnn = opened("one", "gru", num_layers=2, bidirectional=True)
    assert [biases(layer)["u_bias"].tolist() for layer in rnn.layers] == [[1.0] * HIDDEN] * 4


@pytest.mark.parametrize("opening", ["chrono", "uniform"])
def test_an_opening_follows_the_seed_alone(opening):
    one, again, other = (biases(opened(opening, "lstm", seed=seed).layers[0])["f_bias"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@pytest.mark.parametrize("opening", ["chrono", "one", "uniform"])
def test_a_variant_without_gates_is_refused_by_openings_of_gates(opening):
    with pytest.raises(UserError) as refused:
        opened(opening, "elman")
    assert str(refused.value) == (
        f"opening={opening}: variant 'elman' has no gate with a bias whose role is retain, write or opening; "
        "allowed: default, zero"
    )


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ({"name": "chronos"}, "unknown opening 'chronos' (did you mean 'chrono'?); allowed: {}"),
        ({}, "key 'opening.name' is missing; allowed: {}"),
        ("one", "opening=one: must be a mapping"),
        ({"name": "zero", "value": 1}, "unknown key 'opening.value'; allowed: name, source"),
        ({"name": "chrono", "max_time": 2}, "opening.max_time=2: must be at least 3"),
        ({"name": "one", "value": float("inf")}, "opening.value=inf: must be a finite number"),
    ],
)
def test_what_is_mistyped_is_told_in_one_line(mapping, line):
    with pytest.raises(UserError) as refused:
        opening_from_mapping(mapping)
    assert str(refused.value) == line.format(", ".join(OPENINGS))
