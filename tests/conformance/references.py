"""One step of each shipped variant in NumPy, written from the formulas of its paper."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """Input matrices W, recurrent matrices U, biases b and peepholes p, by gate."""

    W: Mapping[str, Array]
    U: Mapping[str, Array]
    b: Mapping[str, Array]
    p: Mapping[str, Array]


def logistic(u: Array) -> Array:
    return 1 / (1 + np.exp(-u))


def affine(w: Weights, gate: str, x: Array, h: Array) -> Array:
    """W x + U h + b, for rows of x and h."""
    return x @ w.W[gate].T + h @ w.U[gate].T + w.b[gate]


def elman(w: Weights, x: Array, h: Array) -> tuple[Array, ...]:
    """Elman 1990, with tanh for the logistic function."""
    return (np.tanh(affine(w, "h", x, h)),)


def lstm(w: Weights, x: Array, h: Array, c: Array) -> tuple[Array, ...]:
    """Gers, Schmidhuber & Cummins 2000, with tanh for the paper's scaled logistic functions."""
    input_gate = logistic(affine(w, "i", x, h))
    forget_gate = logistic(affine(w, "f", x, h))
    output_gate = logistic(affine(w, "o", x, h))
    c = c * forget_gate + np.tanh(affine(w, "z", x, h)) * input_gate
    return np.tanh(c) * output_gate, c


def cifg(w: Weights, x: Array, h: Array, c: Array) -> tuple[Array, ...]:
    """Greff et al. 2017, CIFG: i = 1 - f; without the paper's peepholes."""
    forget_gate = logistic(affine(w, "f", x, h))
    c = c * forget_gate + np.tanh(affine(w, "z", x, h)) * (1 - forget_gate)
    return np.tanh(c) * logistic(affine(w, "o", x, h)), c


def peephole(w: Weights, x: Array, h: Array, c: Array) -> tuple[Array, ...]:
    """Gers, Schraudolph & Schmidhuber 2002: i and f see the old cell state, o the new one."""
    input_gate = logistic(affine(w, "i", x, h) + w.p["i"] * c)
    forget_gate = logistic(affine(w, "f", x, h) + w.p["f"] * c)
    c = forget_gate * c + input_gate * np.tanh(affine(w, "z", x, h))
    output_gate = logistic(affine(w, "o", x, h) + w.p["o"] * c)
    return output_gate * np.tanh(c), c


def gru(w: Weights, x: Array, h: Array) -> tuple[Array, ...]:
    """Cho et al. 2014, version 1: the reset gate acts on U h, here with a bias of its own as in cuDNN."""
    reset = logistic(affine(w, "r", x, h))
    update = logistic(affine(w, "u", x, h))
    candidate = np.tanh(x @ w.W["n"].T + w.b["n"] + reset * (h @ w.U["n"].T + w.b["n_2"]))
    return (update * h + (1 - update) * candidate,)


def gru_v3(w: Weights, x: Array, h: Array) -> tuple[Array, ...]:
    """Cho et al. 2014, version 3, equations 5 to 8: the reset gate acts on h; the paper leaves out biases."""
    reset = logistic(affine(w, "r", x, h))
    update = logistic(affine(w, "u", x, h))
    candidate = np.tanh(affine(w, "n", x, reset * h))
    return (update * h + (1 - update) * candidate,)


def mgu(w: Weights, x: Array, h: Array) -> tuple[Array, ...]:
    """Zhou et al. 2016: the one gate both forgets and resets."""
    gate = logistic(affine(w, "f", x, h))
    candidate = np.tanh(affine(w, "n", x, gate * h))
    return ((1 - gate) * h + gate * candidate,)


def janet(w: Weights, x: Array, h: Array) -> tuple[Array, ...]:
    """Van der Westhuizen & Lasenby 2018: c = σ(s) c + (1 - σ(s - β)) c̃ with β = 1, h = c."""
    s = affine(w, "s", x, h)
    candidate = np.tanh(affine(w, "z", x, h))
    return (logistic(s) * h + (1 - logistic(s - 1.0)) * candidate,)


def ur_lstm(w: Weights, x: Array, h: Array, c: Array) -> tuple[Array, ...]:
    """Gu et al. 2020: g = r (1 - (1 - f)²) + (1 - r) f², the input gate coupled to it."""
    forget_gate = logistic(affine(w, "f", x, h) + w.b["u"])
    refine_gate = logistic(affine(w, "r", x, h) - w.b["u"])
    effective = refine_gate * (1 - (1 - forget_gate) ** 2) + (1 - refine_gate) * forget_gate**2
    c = effective * c + (1 - effective) * np.tanh(affine(w, "z", x, h))
    return logistic(affine(w, "o", x, h)) * np.tanh(c), c


REFERENCES: dict[str, Callable[..., tuple[Array, ...]]] = {
    "cifg": cifg,
    "elman": elman,
    "gru": gru,
    "gru_v3": gru_v3,
    "janet": janet,
    "lstm": lstm,
    "mgu": mgu,
    "peephole": peephole,
    "ur_lstm": ur_lstm,
}
"""Variant name -> one step: (weights, x, *states) -> new states, the output first."""
