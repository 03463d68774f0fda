"""The values of variants that change a gradient, in NumPy; tests/paths/test_surrogates.py has their gradients."""

import numpy as np

from tests.language.stepping import over_time, sigma

__all__ = ["TRANSCRIPTIONS"]


def lstm_1997_truncated(w, x, hidden):
    """Every unit of the hidden layer is seen by every unit; truncation changes no value."""

    def step(x_t, y, s, y_in, y_out):
        def net(unit):
            parts = zip(("x", "h", "i_old", "o_old"), (x_t, y, y_in, y_out), strict=True)
            return sum(value @ w[f"{unit}_weight_{name}"].T for name, value in parts)

        y_in, y_out, g = sigma(net("i") + w["i_bias"]), sigma(net("o") + w["o_bias"]), 4 * sigma(net("z")) - 2
        s = s + y_in * g
        y = y_out * (2 * sigma(s) - 1)
        return y, y, s, y_in, y_out

    return over_time(step, x, hidden, 4)


def lstm(w, x, hidden, source, gate=sigma, name=str):
    """Gers et al. 2000; ``gate`` squashes the gates, whose weights ``name`` finds."""

    def step(x_t, h, c):
        def net(unit):
            return x_t @ w[f"{unit}_weight_x"].T + h @ w[f"{unit}_weight_{source}"].T + w[f"{unit}_bias"]

        i, f, o = (gate(net(name(unit))) for unit in "ifo")
        c = f * c + i * np.tanh(net("z"))
        h = o * np.tanh(c)
        return h, h, c

    return over_time(step, x, hidden, 2)


def binary_lstm(w, x, hidden):
    return lstm(w, x, hidden, "h", lambda net: np.where(sigma(net) > 0.5, 1.0, 0.0), "a_{}".format)


def su_rnn(w, x, hidden):
    """Yin et al. 2026: a_i = b_i + Σ_k α_ik sin(ω_k t + φ_ik), h = (1 - g) h + g f(h, x) with g = H(a)."""
    sines = ("quick", "middle", "slow")
    h, outputs = np.zeros((x.shape[1], hidden)), []
    for time, x_t in enumerate(x, start=1):
        waves = (w[f"{k}_vector"] * np.sin(w[f"{k}_scalar"] * time + w[f"{k}_vector_2"]) for k in sines)
        g = np.heaviside(w["a_vector"] + sum(waves), 0.0)
        h = (1 - g) * h + g * np.tanh(x_t @ w["n_weight_x"].T + h @ w["n_weight_h"].T + w["n_bias"])
        outputs.append(h)
    return np.stack(outputs)


TRANSCRIPTIONS = {
    "lstm_1997_truncated": lstm_1997_truncated,
    "lstm_truncated": lambda w, x, hidden: lstm(w, x, hidden, "h"),
    "h_detach": lambda w, x, hidden: lstm(w, x, hidden, "k"),
    "binary_lstm": binary_lstm,
    "su_rnn": su_rnn,
}
