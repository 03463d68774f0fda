"""Weights of the LSTM and GRU families, counted by hand and by their papers."""

import pytest

from gatelab.compiler import parameter_count
from gatelab.language import Variant, load_variant

INPUT, HIDDEN = 4, 8

# matrices on x, matrices on hidden vectors, vectors (biases, peepholes, gains and the like)
BY_HAND = {
    "binary_lstm": (4, 4, 4),
    "capped_lstm": (4, 4, 4),
    "cfc": (1, 1 + 3, 4),
    "cfc_dt": (1, 1 + 3, 4),
    "cifg_peephole": (3, 3, 3 + 2),
    "ct_lstm": (7, 7, 7),
    "e_lstm": (3, 1, 3 + 2),
    "fgr": (4, 4 + 9, 4 + 3),
    "goru": (3, 3, 3),
    "gru_1": (1, 3, 3),
    "gru_2": (1, 3, 1),
    "gru_3": (1, 1, 3),
    "gru_decay": (4, 3, 4),
    "h_detach": (4, 4, 4),
    "layer_norm_gru": (3, 3, 4 + 6),
    "layer_norm_lstm": (4, 4, 5 + 9),
    "lstm_1997": (3, 3, 3),
    "lstm_1997_full": (3, 9, 2),
    "lstm_1997_truncated": (3, 9, 2),
    "lstm_truncated": (4, 4, 4),
    "lstmp": (4, 5, 4 + 3),
    "ltc": (1, 1, 3),
    "ltc_dt": (1, 1, 3),
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
    "phased_lstm_dt": (4, 4, 4 + 3 + 3),
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


def test_gru_d_has_masks_and_decays():
    """Che et al. 2018: 3 maps of x, h and m each, a decay of h from the intervals of x, and a diagonal one of x."""
    on_x, hidden = 3 * 8 * 4, 3 * 8 * 8
    assert parameter_count(load_variant("gru_d"), 4, 8) == 2 * on_x + hidden + 3 * 8 + (8 * 4 + 8) + 2 * 4


def test_the_weights_of_the_first_experiment_of_1997():
    """Hochreiter & Schmidhuber 1997, experiment 1: 264 weights, 28 of which lead from 4 cells to 7 outputs."""
    assert parameter_count(load_variant("lstm_1997_full"), 7, 4) == 264 - 7 * 4


def blocks_of_1997(cells, *, gates_biased=True, cells_biased=True):
    """The fully connected layer of 1997 with blocks of so many cells, and the biases of an experiment."""
    shared, once = (f", shared={cells}", f", per_block={cells}") if cells > 1 else ("", "")
    maps = {True: "linear", False: "project"}
    gate = f"sigmoid({maps[gates_biased]}(x, h{shared}) + project(i_old, o_old{shared}{once}))"
    equations = {
        "i": gate,
        "z": f"4*sigmoid({maps[cells_biased]}(x, h) + project(i_old, o_old{once})) - 2",
        "o": gate,
        "c": "c + i*z",
        "h": "o*(2*sigmoid(c) - 1)",
        "i_old": "i",
        "o_old": "o",
    }
    return Variant.from_mapping({"name": "tried", "state": ["h", "c", "i_old", "o_old"], "equations": equations})


def test_the_weights_of_hochreiter_and_schmidhuber_1997():
    """Table 10 of the paper, with the readout of each experiment: cells times outputs, and where it has one a bias."""
    biased, free, bare = blocks_of_1997(2), blocks_of_1997(1), blocks_of_1997(1, gates_biased=False, cells_biased=False)
    assert parameter_count(load_variant("lstm_1997_blocks"), 7, 6) + 7 * 6 == 276  # 1: embedded Reber, 3 blocks of 2
    assert parameter_count(bare, 54, 2) + 2 * 2 == 364  # 2c: p = 50, 2 blocks of 1
    assert parameter_count(free, 1, 3) + 1 * 3 == 102  # 3: two sequences, 3 blocks of 1
    assert parameter_count(biased, 2, 4) + 1 * (4 + 1) == 93  # 4 and 5: adding, 2 blocks of 2
    assert parameter_count(biased, 8, 4) + 4 * (4 + 1) == 156  # 6a: order of two, 2 blocks of 2
    assert parameter_count(biased, 8, 6) + 8 * (6 + 1) == 308  # 6b: order of three, 3 blocks of 2


def test_the_weights_of_gers_2000_and_2002():
    # inputs lead to outputs directly, and outputs have a bias
    assert parameter_count(load_variant("lstm_2000_blocks"), 7, 8) + 7 * (8 + 7 + 1) == 424
    assert parameter_count(load_variant("peephole"), 1, 1) + 1 * (1 + 1) == 17


def test_full_gate_recurrence_adds_nine_matrices():
    """Greff et al. 2017: each of three gates sees each of three gates of the step before."""
    more = parameter_count(load_variant("fgr"), 5, 7) - parameter_count(load_variant("peephole"), 5, 7)
    assert more == 9 * 7 * 7


@pytest.mark.parametrize("name, on_x, on_h, biases", [("gru_1", 2, 0, 0), ("gru_2", 2, 0, 2), ("gru_3", 2, 2, 0)])
def test_what_the_reduced_grus_save(name, on_x, on_h, biases):
    """Dey & Salem 2017: 2nm, 2(nm + n) and 2(nm + n²) of the 3(n² + nm + n) weights of a GRU."""
    full = 3 * (7 * 7 + 7 * 5 + 7)
    assert full - parameter_count(load_variant(name), 5, 7) == on_x * 7 * 5 + on_h * 7 * 7 + biases * 7
