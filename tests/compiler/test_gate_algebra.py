"""The derivative of a step as formulas: those that papers print, and lines where there are none."""

import pytest

from gatelab import UserError
from gatelab.compiler.gate_algebra import step_jacobian
from gatelab.language import load_variant


def lines(name, **edits):
    return [" ".join(line.split()) for line in step_jacobian(load_variant(name).edit(**edits)).plain().splitlines()]


def test_the_cell_of_an_lstm():
    """Hochreiter's carousel stands alone: all else comes through h."""
    assert lines("lstm")[:4] == [
        "∂c_t/∂h_{t-1} = diag(i_t ⊙ (1 - z_t ⊙ z_t)) W_zh through the candidate z",
        "+ diag(z_t ⊙ i_t ⊙ (1 - i_t)) W_ih through the gate i",
        "+ diag(c_{t-1} ⊙ f_t ⊙ (1 - f_t)) W_fh through the gate f",
        "∂c_t/∂c_{t-1} = diag(f_t) kept",
    ]


def test_a_gru_and_a_janet():
    assert lines("gru_v3")[:2] == [
        "∂h_t/∂h_{t-1} = diag(u_t) kept",
        "+ diag((1 - u_t) ⊙ (1 - n_t ⊙ n_t)) W_nh diag(r_t) through the candidate n",
    ]
    assert lines("gru_v3")[3] == "+ diag((h_{t-1} - n_t) ⊙ u_t ⊙ (1 - u_t)) W_uh through the gate u"
    assert lines("janet")[3] == "- diag(z_t ⊙ σ(s_t - 1) ⊙ (1 - σ(s_t - 1))) W_sh through the gate i"


def test_an_oscillator_keeps_by_its_step():
    assert lines("cornn")[2] == "∂z_t/∂z_{t-1} = I - diag(step_size_t ⊙ epsilon_t) kept"


def test_a_matrix_alone_is_no_memory():
    assert lines("elman")[0] == "∂h_t/∂h_{t-1} = diag(1 - h_t ⊙ h_t) W_hh through the candidate h"


def test_a_candidate_is_one_wherever_it_is_written():
    """In a line of its own, as e_lstm has it, or within the state's, as the bistable cell has it."""
    apart, within = "f*c + (1 - f)*z", "f*c + (1 - f)*tanh(linear(x) + diag(c))"
    assert lines("e_lstm", c=apart)[:2] == [
        "∂c_t/∂c_{t-1} = diag(f_t) kept",
        "+ diag((1 - f_t) ⊙ (1 - z_t ⊙ z_t) ⊙ p_zc) through the candidate z",
    ]
    assert lines("e_lstm", c=within)[1].endswith("⊙ p_cc) through the candidate c")
    assert lines("star")[0] == "∂h_t/∂h_{t-1} = diag((1 - h_t ⊙ h_t) ⊙ (1 - k_t)) kept"


def test_powers_quotients_and_clipping():
    assert lines("elman", h="h**3/2 + 1/h")[0] == (
        "∂h_t/∂h_{t-1} = diag(1.5 h_{t-1}^2) - diag(1 / (h_{t-1} ⊙ h_{t-1})) kept"
    )
    assert lines("elman", h="min(h, 1)") == ["∂h_t/∂h_{t-1} = diag((1 + sign(1 - h_{t-1})) / 2) kept"]


def test_an_edited_gate_that_stands_still_has_no_path():
    assert not [line for line in lines("lstm", f="sigmoid(bias())") if "gate f" in line]


def test_latex_names_every_path():
    text = step_jacobian(load_variant("layer_norm_lstm")).latex()
    assert text.count(r"\underbrace") == len(step_jacobian(load_variant("layer_norm_lstm")).plain().splitlines())
    assert r"\frac{\partial c_t}{\partial c_{t-1}} &= \underbrace{\operatorname{diag}(f_t)}_{\text{kept}}" in text


def test_refusals():
    with pytest.raises(UserError, match="variant 'mlstm' is foreign and has no equations to linearise"):
        step_jacobian(load_variant("mlstm"))
    with pytest.raises(UserError, match="variant 'ltc': h has more than 1000 routes: too many to write out"):
        step_jacobian(load_variant("ltc"))
