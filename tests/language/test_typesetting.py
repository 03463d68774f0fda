"""Plain text and LaTeX: two variants in full, then every form once."""

import re

import pytest
from hypothesis import given

from gatelab.language import load_variant
from tests.language.examples import SHIPPED, expressions, variant


def test_lstm_in_plain_text():
    assert load_variant("lstm").plain() == (
        "i_t = σ(W_ix x_t + W_ih h_{t-1} + b_i)\n"
        "f_t = σ(W_fx x_t + W_fh h_{t-1} + b_f)\n"
        "z_t = tanh(W_zx x_t + W_zh h_{t-1} + b_z)\n"
        "o_t = σ(W_ox x_t + W_oh h_{t-1} + b_o)\n"
        "c_t = f_t ⊙ c_{t-1} + i_t ⊙ z_t\n"
        "h_t = o_t ⊙ tanh(c_t)"
    )


def test_a_coupled_peephole_lstm_in_latex():
    assert load_variant("peephole").edit(i="1 - f").latex() == (
        "\\begin{aligned}\n"
        "  f_t &= \\sigma(W_{fx} x_t + W_{fh} h_{t-1} + b_f + p_{fc} \\odot c_{t-1}) \\\\\n"
        "  i_t &= 1 - f_t \\\\\n"
        "  z_t &= \\tanh(W_{zx} x_t + W_{zh} h_{t-1} + b_z) \\\\\n"
        "  c_t &= f_t \\odot c_{t-1} + i_t \\odot z_t \\\\\n"
        "  o_t &= \\sigma(W_{ox} x_t + W_{oh} h_{t-1} + b_o + p_{oc} \\odot c_t) \\\\\n"
        "  h_t &= o_t \\odot \\tanh(c_t)\n"
        "\\end{aligned}"
    )


def test_names_of_several_letters_are_upright_and_aligned():
    example = variant({"gate_1": "sigmoid(linear(x, h))", "h": "gate_1*h"})
    assert (
        example.plain()
        == "gate_1_t = σ(W_{gate_1,x} x_t + W_{gate_1,h} h_{t-1} + b_gate_1)\nh_t      = gate_1_t ⊙ h_{t-1}"
    )
    assert example.latex().splitlines()[1:3] == [
        r"  \mathrm{gate\_1}_t &= \sigma(W_{\mathrm{gate\_1},x} x_t + W_{\mathrm{gate\_1},h} h_{t-1}"
        r" + b_{\mathrm{gate\_1}}) \\",
        r"  h_t &= \mathrm{gate\_1}_t \odot h_{t-1}",
    ]


@pytest.mark.parametrize(
    "text, shown, typeset",
    [
        # parentheses where they are needed, and nowhere else
        ("h - (x + 1)", "h_{t-1} - (x_t + 1)", "h_{t-1} - (x_t + 1)"),
        ("h - (x - h)", "h_{t-1} - (x_t - h_{t-1})", "h_{t-1} - (x_t - h_{t-1})"),
        ("h + (x - 1)", "h_{t-1} + x_t - 1", "h_{t-1} + x_t - 1"),
        ("(h - x) - 1", "h_{t-1} - x_t - 1", "h_{t-1} - x_t - 1"),
        ("(1 - h)*x", "(1 - h_{t-1}) ⊙ x_t", r"(1 - h_{t-1}) \odot x_t"),
        ("h*(x*h)", "h_{t-1} ⊙ x_t ⊙ h_{t-1}", r"h_{t-1} \odot x_t \odot h_{t-1}"),
        ("r*linear(h)", "r_t ⊙ (W_hh h_{t-1} + b_h)", r"r_t \odot (W_{hh} h_{t-1} + b_h)"),
        ("r*project(h)", "r_t ⊙ (W_hh h_{t-1})", r"r_t \odot (W_{hh} h_{t-1})"),
        ("project(h) + r", "W_hh h_{t-1} + r_t", "W_{hh} h_{t-1} + r_t"),
        # what a matrix meets
        ("project(r*h)", "W_hh (r_t ⊙ h_{t-1})", r"W_{hh} (r_t \odot h_{t-1})"),
        ("project(tanh(h))", "W_hh tanh(h_{t-1})", r"W_{hh} \tanh(h_{t-1})"),
        ("linear(h) + linear(h)", "W_hh h_{t-1} + b_h + W_{hh,2} h_{t-1} + b_{h,2}",
         "W_{hh} h_{t-1} + b_h + W_{hh,2} h_{t-1} + b_{h,2}"),
        # signs
        ("-h", "-h_{t-1}", "-h_{t-1}"),
        ("-(h + x)", "-(h_{t-1} + x_t)", "-(h_{t-1} + x_t)"),
        ("-h*x", "-h_{t-1} ⊙ x_t", r"-h_{t-1} \odot x_t"),
        ("h*-x", "h_{t-1} ⊙ (-x_t)", r"h_{t-1} \odot (-x_t)"),
        ("1 - (-h)", "1 - (-h_{t-1})", "1 - (-h_{t-1})"),
        ("h + -2*x", "h_{t-1} + (-2 x_t)", "h_{t-1} + (-2 x_t)"),
        ("-project(h)*x", "(-W_hh h_{t-1}) ⊙ x_t", r"(-W_{hh} h_{t-1}) \odot x_t"),
        # numbers
        ("2*h", "2 h_{t-1}", "2 h_{t-1}"),
        ("h*2", "h_{t-1} · 2", r"h_{t-1} \cdot 2"),
        ("2*3*h", "2 · 3 · h_{t-1}", r"2 \cdot 3 \cdot h_{t-1}"),
        ("0.5*(1 - h)", "0.5 (1 - h_{t-1})", "0.5 (1 - h_{t-1})"),
        ("1e-5*h", "1e-05 h_{t-1}", "10^{-5} h_{t-1}"),
        ("2.5e20*h", "2.5e+20 h_{t-1}", r"2.5 \cdot 10^{20} h_{t-1}"),
        ("scalar(1)*h", "s_h · h_{t-1}", r"s_h \cdot h_{t-1}"),
        ("vector(1)*h + bias()", "v_h ⊙ h_{t-1} + b_h", r"v_h \odot h_{t-1} + b_h"),
        # powers and quotients
        ("r**2*h", "r_t^2 ⊙ h_{t-1}", r"r_t^{2} \odot h_{t-1}"),
        ("h**-0.5", "h_{t-1}^-0.5", "h_{t-1}^{-0.5}"),
        ("(-2)**2", "(-2)^2", "(-2)^{2}"),
        ("(h**2)**3", "(h_{t-1}^2)^3", "(h_{t-1}^{2})^{3}"),
        ("tanh(h)**2", "(tanh(h_{t-1}))^2", r"(\tanh(h_{t-1}))^{2}"),
        ("(h/x)**2", "(h_{t-1} / x_t)^2", r"\left(\frac{h_{t-1}}{x_t}\right)^{2}"),
        ("h/(x*r)", "h_{t-1} / (x_t ⊙ r_t)", r"\frac{h_{t-1}}{x_t \odot r_t}"),
        ("h/(1 + exp(x))", "h_{t-1} / (1 + exp(x_t))", r"\frac{h_{t-1}}{1 + \exp(x_t)}"),
        # functions
        ("sqrt(abs(h))", "sqrt(abs(h_{t-1}))", r"\sqrt{\left|h_{t-1}\right|}"),
        ("max(h, min(x, 1))", "max(h_{t-1}, min(x_t, 1))", r"\max(h_{t-1}, \min(x_t, 1))"),
        ("hard_sigmoid(h)", "hard_sigmoid(h_{t-1})", r"\operatorname{hard}\,\sigma(h_{t-1})"),
    ],
)  # fmt: skip
def test_every_form(text, shown, typeset):
    example = variant({"r": "sigmoid(linear(x))", "h": text})
    assert example.plain().splitlines()[-1].partition("= ")[2] == shown
    assert example.latex().splitlines()[-2].partition("&= ")[2] == typeset


def assert_balanced(text):
    depth = 0
    for letter in re.findall(r"[({})]", text):
        depth += 1 if letter in "({" else -1
        assert depth >= 0
    assert depth == 0


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_variant_is_set(name):
    example = load_variant(name)
    assert len(example.plain().splitlines()) == len(example.equations)
    assert len(example.latex().splitlines()) == len(example.equations) + 2
    assert_balanced(example.latex())


@given(expressions())
def test_random_equations_are_set_without_two_signs_in_a_row(text):
    for lines in (variant(text).plain(), variant(text).latex()):
        assert_balanced(lines)
        assert not re.search(r"[-+⊙·] [-+⊙·]|--|\\odot -|\\cdot -", lines)


@given(expressions(("x", "h")))
def test_different_parameters_have_different_labels(text):
    example = variant(text)
    labels = re.findall(r"\b[Wpbvs]_(?:\{[^}]*\}|[a-z]+)", example.plain())
    assert len(labels) == len(set(labels)) == len(example.parameters)
