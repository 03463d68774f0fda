"""docs/kernel.md is what the compiler makes today, and its backward pass is the derivative of the equations."""

import re

import numpy as np

from scripts import kernel_page


def test_the_page_is_that_of_the_compiler():
    assert kernel_page.PAGE.read_text(encoding="utf-8") == kernel_page.page(), "python scripts/kernel_page.py writes it"


def printed(start, given):
    """Carry out the lines below a heading of the page."""
    text = kernel_page.PAGE.read_text(encoding="utf-8").split(start)[1]
    (lines,) = re.findall(r"    stage 1: a block computes\n((?: {8}.*\n)+)", text.split("\n## ")[0])
    names = dict(given)
    exec(lines.replace("_t-1", "_old").replace("        ", "").replace("the output", "y_t"), names)
    return names


def test_the_printed_lines_compute_the_step_and_its_derivative():
    a_g, a_n, h, d = np.random.default_rng(0).normal(size=(4, 50))
    functions = {"sigmoid": lambda u: 1 / (1 + np.exp(-u)), "tanh": np.tanh}
    forward = printed("## 4", {"a_g": a_g, "a_n": a_n, "h_old": h, **functions})
    g, n = 1 / (1 + np.exp(-a_g)), np.tanh(a_n)
    assert np.allclose(forward["h_t"], g * h + (1 - g) * n, rtol=1e-12)
    backward = printed(
        "## 5", {"dh_t": d / 4, "dy_t": d * 3 / 4, "h_old": h, "g_t": forward["g_t"], "n_t": forward["n_t"]}
    )
    assert np.allclose(backward["delta_g"], d * (h - n) * g * (1 - g), rtol=1e-12)
    assert np.allclose(backward["delta_n"], d * (1 - g) * (1 - n**2), rtol=1e-12)
    assert np.allclose(backward["dh_old"], d * g, rtol=1e-12)
