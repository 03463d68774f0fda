"""What training draws in the equations of a variant: where masks stand, and that parameters stay."""

import pytest

from gatelab import variant
from gatelab.errors import UserError
from gatelab.language import Variant
from gatelab.language.library import variant_files
from gatelab.language.masked import after_training, cells, drawn_words, gains, hidden_state, in_training
from gatelab.language.sizes import DRAWN

ALL = dict.fromkeys(DRAWN, 0.5)
SOME = ["lstm", "gru", "ltc_dt", "lstm_1997_blocks", "slstm_heads", "rwkv_4", "low_rank_lstm", "scrn", "sru", "hgrn"]
REST = [name for name in variant_files([]) if name not in SOME and variant(name).foreign is None]


def equations(name, *words):
    return dict(in_training(variant(name), words).equations)


def test_zoneout_of_an_lstm_reads_the_new_cell():
    """Krueger et al. 2017: the hidden state is made of the cell that the step has computed, kept or not."""
    found = equations("lstm", "zoneout_hidden", "zoneout_cell")
    assert found["c_new"] == "f * c + i * z"
    assert found["h_new"] == "o * tanh(c_new)"
    assert found["h"] == "zoneout_hidden * h + (1 - zoneout_hidden) * h_new"
    assert found["c"] == "zoneout_cell * c + (1 - zoneout_cell) * c_new"


def test_zoneout_of_one_state_leaves_the_other():
    assert equations("lstm", "zoneout_hidden")["c"] == variant("lstm").equations["c"]
    assert "h_new" not in equations("lstm", "zoneout_cell")


@pytest.mark.parametrize(
    ("name", "state", "text"),
    [
        ("lstm", "c", "f * c + recurrent_dropout * (i * z)"),
        ("gru", "h", "u * h + recurrent_dropout * ((1 - u) * n)"),
        ("su_rnn", "h", "h + g * -h + recurrent_dropout * (g * n)"),
        ("slstm", "c", "f * c + recurrent_dropout * (i * z)"),
        ("plrnn", "h", "diag(h) + recurrent_dropout * (project(relu(h)) + linear(x))"),
    ],
)
def test_recurrent_dropout_spares_what_is_kept(name, state, text):
    assert equations(name, "recurrent_dropout")[state] == text


@pytest.mark.parametrize(
    ("name", "spared"),
    [
        ("slstm", "n"),  # divided by: it would become 0
        ("phased_lstm", "t"),  # counts steps
        ("lru", "re"), ("lru", "im"), ("cornn", "z"),  # their states add to each other what they keep
        ("elman", "h"), ("lstm", "h"), ("star", "h"),  # keep nothing, or bend it
    ],
)  # fmt: skip
def test_what_recurrent_dropout_spares(name, spared):
    assert spared not in gains(variant(name))


def test_variational_dropout_is_where_matrices_read_the_hidden_state():
    assert equations("lstm", "variational_dropout")["f"] == "sigmoid(linear(x, variational_dropout * h))"
    found = equations("gru", "variational_dropout")
    assert found["r"] == "sigmoid(linear(x, variational_dropout * h))"
    assert "variational_dropout * h" in found["n"]
    assert found["h"] == variant("gru").equations["h"]


def test_a_clock_is_no_cell():
    assert cells(variant("phased_lstm")) == ("c",)
    assert hidden_state(variant("phased_lstm")) == "h"


def test_after_training_a_state_is_the_mean_of_old_and_new():
    found = after_training(variant("lstm"), 0.25, 0.5)
    assert (found.equations["h"], found.equations["c"]) == ("0.25 * h + 0.75 * h_new", "0.5 * c + 0.5 * c_new")
    assert after_training(variant("lstm"), 0.0, 0.0) == variant("lstm")


@pytest.mark.parametrize("name", [*SOME, *(pytest.param(name, marks=pytest.mark.slow) for name in REST)])
def test_parameters_stay_in_their_order(name):
    known = variant(name)
    for changed in (in_training(known, drawn_words(known, ALL)), after_training(known, 0.1, 0.2)):
        kinds = [(one.kind, one.initial, len(one.parts)) for one in changed.parameters]
        assert kinds == [(one.kind, one.initial, len(one.parts)) for one in known.parameters]
        assert changed.states == known.states or set(changed.states) == set(known.states)
        assert changed.sizes[changed.output] == known.sizes[known.output]


def test_a_file_cannot_read_what_training_draws():
    mapping = {"name": "mine", "state": ["h"], "equations": {"h": "zoneout_hidden*h + linear(x)"}}
    with pytest.raises(UserError, match="unknown name 'zoneout_hidden'"):
        Variant.from_mapping(mapping)


def test_a_state_whose_new_name_is_taken():
    mine = {"name": "mine", "state": ["h"], "equations": {"h_new": "tanh(linear(x, h))", "h": "0.5*h + h_new"}}
    found = in_training(Variant.from_mapping(mine), ("zoneout_hidden",))
    assert found.equations["h_new_"] == "0.5 * h + h_new"
    assert found.equations["h"] == "zoneout_hidden * h + (1 - zoneout_hidden) * h_new_"
