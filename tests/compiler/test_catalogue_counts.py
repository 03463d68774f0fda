"""Weights of the catalogue's cells of few gates, without gates and of linear recurrence, counted by hand."""

import pytest

from gatelab.compiler import dependent_products, multiply_adds, parameter_count
from gatelab.language import load_variant

# (matrices of the input, matrices of hidden size, vectors of hidden size, single numbers), counted in the papers'
# equations; "vectors" are biases, peepholes and other learned vectors, as the notes of each file have them
COUNTS = {
    "antisymmetric": (1, 1, 1, 0),
    "atr": (1, 1, 0, 0),
    "brc": (3, 0, 5, 0),
    "cfn": (3, 2, 2, 0),
    "cornn": (1, 2, 1, 0),
    "ctrnn": (1, 1, 2, 0),
    "delta_rnn": (1, 1, 5, 0),
    "dsgu": (2, 3, 2, 0),
    "exp_rnn": (1, 1, 1, 0),
    "fast_grnn": (1, 1, 2, 2),
    "fast_rnn": (1, 1, 1, 2),
    "gated_antisymmetric": (2, 1, 2, 0),
    "gilr": (2, 0, 2, 0),
    "hgrn": (5, 2, 8, 0),
    "ind_rnn": (1, 0, 2, 0),
    "leaky_rnn": (1, 1, 1, 0),
    "lem": (4, 4, 4, 0),
    "li_gru": (2, 2, 2, 0),
    "light_ru": (2, 1, 2, 0),
    "lipschitz": (1, 4, 1, 0),  # two in the paper, whose matrices share their symmetric and antisymmetric parts
    "lrn": (3, 0, 3, 0),
    "lru": (3, 2, 3, 0),
    "mgu_1": (1, 2, 2, 0),
    "mgu_2": (1, 2, 1, 0),
    "mgu_3": (1, 1, 2, 0),
    "mi_rnn": (1, 1, 4, 0),
    "min_gru": (2, 0, 2, 0),
    "min_gru_positive": (2, 0, 2, 0),
    "min_lstm": (3, 0, 3, 0),
    "min_lstm_positive": (3, 0, 3, 0),
    "minimal_rnn": (1, 2, 2, 0),
    "miru_1": (2, 2, 2, 0),
    "miru_2": (1, 1, 1, 0),
    "nbrc": (3, 2, 3, 0),
    "plrnn": (1, 1, 2, 0),
    "qrnn_f": (2, 0, 2, 0),
    "qrnn_f_window_2": (4, 0, 2, 0),
    "qrnn_fo": (3, 0, 3, 0),
    "qrnn_fo_window_2": (6, 0, 3, 0),
    "qrnn_ifo": (4, 0, 4, 0),
    "qrnn_ifo_window_2": (8, 0, 4, 0),
    "ran": (3, 2, 2, 0),
    "rg_lru": (1, 2, 4, 0),  # the one of the input stands before the paper's recurrence
    "rhn": (2, 2, 2, 0),
    "rhn_depth_3": (2, 6, 6, 0),
    "scrn": (2, 4, 0, 0),
    "sgrn": (1, 1, 1, 0),
    "sgu": (2, 2, 2, 0),
    "shuffling_rnn": (2, 1, 3, 0),
    "sru": (4, 0, 4, 0),
    "sru_v1": (4, 0, 2, 0),
    "star": (2, 1, 2, 0),
    "t_gru": (6, 0, 3, 0),
    "t_rnn": (2, 0, 1, 0),
    "tau_gru": (4, 4, 4, 0),
    "ugrnn": (2, 2, 2, 0),
    "unicornn": (1, 0, 3, 0),
}


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("inputs, hidden", [(3, 5), (32, 64), (1, 1)])
def test_parameters(name, inputs, hidden):
    of_input, of_hidden, vectors, numbers = COUNTS[name]
    expected = of_input * hidden * inputs + of_hidden * hidden * hidden + vectors * hidden + numbers
    assert parameter_count(load_variant(name), inputs, hidden) == expected


def test_diagonals_of_the_input():
    # receptance, key and value: a matrix and a share for each input; decay, bonus, and the output's matrix
    assert parameter_count(load_variant("rwkv_4"), 3, 5) == 3 * (15 + 3) + 2 * 5 + 25


def test_cells_that_need_equal_sizes():
    # four gates of two matrices and a bias each
    assert parameter_count(load_variant("intersection_rnn"), 5, 5) == 4 * (25 + 25 + 5)


def test_a_product_that_is_shared_is_counted_once():
    # Kusupati et al. 2018: the gate of FastGRNN costs FastRNN's cell one more bias, and no product
    fast_rnn, fast_grnn = load_variant("fast_rnn"), load_variant("fast_grnn")
    assert parameter_count(fast_grnn, 32, 64) - parameter_count(fast_rnn, 32, 64) == 64
    assert multiply_adds(fast_grnn, 32, 64) == multiply_adds(fast_rnn, 32, 64) == 64 * 96


def test_simplified_gates_of_mgu():
    # Heck & Salem 2017: without the gate's view of the input, then without its bias, then with its bias alone
    counts = [parameter_count(load_variant(name), 3, 5) for name in ("mgu", "mgu_1", "mgu_2", "mgu_3")]
    assert counts == [90, 75, 70, 50]


@pytest.mark.parametrize(
    "name, depth",
    [("dsgu", 2), ("lem", 2), ("lrn", 0), ("mgu_1", 2), ("mgu_3", 1), ("rhn_depth_3", 3), ("sgu", 1), ("tau_gru", 1)],
)
def test_products_that_wait_for_each_other(name, depth):
    assert dependent_products(load_variant(name)) == depth


@pytest.mark.parametrize(
    "name", ["brc", "ind_rnn", "lrn", "min_gru", "min_lstm", "qrnn_ifo", "sru", "t_rnn", "unicornn"]
)
def test_cells_without_a_recurrent_product(name):
    assert dependent_products(load_variant(name)) == 0
