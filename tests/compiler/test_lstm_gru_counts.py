"""Weights of the LSTM and GRU families, counted by hand and by their papers."""

import pytest

from gatelab.compiler import parameter_count
from gatelab.language import load_variant

INPUT, HIDDEN = 4, 8

# matrices on x, matrices on hidden vectors, vectors (biases, peepholes, gains and the like)
BY_HAND = {
    "capped_lstm": (4, 4, 4),
    "cfc": (1, 1 + 3, 4),
    "cifg_peephole": (3, 3, 3 + 2),
    "e_lstm": (3, 1, 3 + 2),
    "fgr": (4, 4 + 9, 4 + 3),
    "goru": (3, 3, 3),
    "gru_1": (1, 3, 3),
    "gru_2": (1, 3, 1),
    "gru_3": (1, 1, 3),
    "gru_decay": (4, 3, 4),
    "layer_norm_gru": (3, 3, 4 + 6),
    "layer_norm_lstm": (4, 4, 5 + 9),
    "lstm_1997": (3, 3, 3),
    "lstm_1997_full": (3, 9, 2),
    "lstmp": (4, 5, 4 + 3),
    "ltc": (1, 1, 3),
    "memory_controller_lstm": (5, 5, 5),
    "mi_gru": (3, 3, 3 + 9),
    "mi_lstm": (4, 4, 4 + 12),
    "mogrifier_lstm": (4, 4 + 5, 4),
    "multiplicative_lstm": (5, 1 + 4, 4),
    "mut1": (2, 2, 3),
    "mut2": (2, 3, 3),
    "mut3": (3, 3, 3),
    "nas": (8, 8, 8),
    "nested_lstm": (4, 4 + 8, 8),
    "nfg": (3, 3, 3 + 2),
    "niaf": (4, 4, 4 + 3),
    "nig": (3, 3, 3 + 2),
    "noaf": (4, 4, 4 + 3),
    "nog": (3, 3, 3 + 2),
    "on_lstm": (6, 6, 6),
    "peephole_old_cell": (4, 4, 4 + 3),
    "phased_lstm": (4, 4, 4 + 3 + 3),
    "r_lstm": (4, 4, 4),
    "residual_lstm": (5, 5, 4 + 3),
    "rwa": (3, 2, 2),
    "s4_gated": (3, 3, 3),
    "slim_lstm_1": (1, 4, 4),
    "slim_lstm_2": (1, 4, 1),
    "slim_lstm_3": (1, 1, 4),
    "slim_lstm_4": (1, 1, 1 + 3),
    "slim_lstm_5": (1, 1, 4 + 3),
    "slstm": (4, 4, 4),
    # x of the step before has the length of x
    "t_lstm": (3 + 3, 0, 3),
    "ur_gru": (4, 4, 4 + 1),
    "wmc_lstm": (4, 4 + 3, 4),
}


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_weights_are_as_many_as_counted_by_hand(name):
    variant = load_variant(name)
    inputs = HIDDEN if variant.needs_equal_sizes else INPUT
    on_x, on_hidden, vectors = BY_HAND[name]
    expected = on_x * HIDDEN * inputs + on_hidden * HIDDEN * HIDDEN + vectors * HIDDEN
    assert parameter_count(variant, inputs, HIDDEN) == expected


def test_structured_weights_are_fewer():
    # two groups halve all eight matrices
    assert parameter_count(load_variant("group_lstm"), 4, 8) == 4 * (8 * 4 + 8 * 8) // 2 + 4 * 8
    # four heads: a quarter of each recurrent matrix
    assert parameter_count(load_variant("slstm_heads"), 4, 8) == 4 * (8 * 4 + 8 * 8 // 4 + 8)
    # rank 4: two factors of 8 × 4 for each recurrent matrix
    assert parameter_count(load_variant("low_rank_lstm"), 4, 8) == 4 * (8 * 4 + 2 * 8 * 4 + 8)


def test_the_weights_of_the_first_experiment_of_1997():
    """Hochreiter & Schmidhuber 1997, experiment 1: 264 weights, 28 of which lead from 4 cells to 7 outputs."""
    assert parameter_count(load_variant("lstm_1997_full"), 7, 4) == 264 - 7 * 4


def test_full_gate_recurrence_adds_nine_matrices():
    """Greff et al. 2017: each of three gates sees each of three gates of the step before."""
    more = parameter_count(load_variant("fgr"), 5, 7) - parameter_count(load_variant("peephole"), 5, 7)
    assert more == 9 * 7 * 7


@pytest.mark.parametrize("name, on_x, on_h, biases", [("gru_1", 2, 0, 0), ("gru_2", 2, 0, 2), ("gru_3", 2, 2, 0)])
def test_what_the_reduced_grus_save(name, on_x, on_h, biases):
    """Dey & Salem 2017: 2nm, 2(nm + n) and 2(nm + n²) of the 3(n² + nm + n) weights of a GRU."""
    full = 3 * (7 * 7 + 7 * 5 + 7)
    assert full - parameter_count(load_variant(name), 5, 7) == on_x * 7 * 5 + on_h * 7 * 7 + biases * 7
