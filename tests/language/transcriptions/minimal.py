"""Cells of few gates or few weights, in NumPy, as their papers write them."""

import numpy as np

from tests.language.stepping import over_time, sigma

__all__ = ["TRANSCRIPTIONS"]


def minimal_gated(w, x, hidden, gate):
    """Zhou et al. 2016, with the gate left to the caller."""

    def step(x_t, h):
        f = gate(h)
        candidate = np.tanh(x_t @ w["n_weight_x"].T + (f * h) @ w["n_weight_f_h"].T + w["n_bias"])
        h = f * candidate + (1 - f) * h
        return h, h

    return over_time(step, x, hidden)


def mgu_1(w, x, hidden):
    return minimal_gated(w, x, hidden, lambda h: sigma(h @ w["f_weight_h"].T + w["f_bias"]))


def mgu_2(w, x, hidden):
    return minimal_gated(w, x, hidden, lambda h: sigma(h @ w["f_weight_h"].T))


def mgu_3(w, x, hidden):
    return minimal_gated(w, x, hidden, lambda h: sigma(w["f_bias"]))


def miru_1(w, x, hidden):
    """λ is 0.5."""

    def step(x_t, h):
        r = sigma(x_t @ w["r_weight_x"].T + h @ w["r_weight_h"].T + w["r_bias"])
        candidate = np.tanh(x_t @ w["n_weight_x"].T + (r * h) @ w["n_weight_r_h"].T + w["n_bias"])
        h = (h + candidate) / 2
        return h, h

    return over_time(step, x, hidden)


def miru_2(w, x, hidden):
    """λ and θ are 0.5."""

    def step(x_t, h):
        candidate = np.tanh(x_t @ w["n_weight_x"].T + (h / 2) @ w["n_weight_shown_h"].T + w["n_bias"])
        h = (h + candidate) / 2
        return h, h

    return over_time(step, x, hidden)


def light_ru(w, x, hidden):
    def step(x_t, h):
        f = sigma(x_t @ w["f_weight_x"].T + h @ w["f_weight_h"].T + w["f_bias"])
        h = h + f * (np.tanh(x_t @ w["n_weight_x"].T + w["n_bias"]) - h)
        return h, h

    return over_time(step, x, hidden)


def ugrnn(w, x, hidden):
    def step(x_t, h):
        c = np.tanh(h @ w["n_weight_h"].T + x_t @ w["n_weight_x"].T + w["n_bias"])
        g = sigma(h @ w["g_weight_h"].T + x_t @ w["g_weight_x"].T + w["g_bias"])
        h = g * h + (1 - g) * c
        return h, h

    return over_time(step, x, hidden)


def fast_rnn(w, x, hidden):
    alpha, beta = sigma(w["a_scalar"]), sigma(w["b_scalar"])

    def step(x_t, h):
        candidate = np.tanh(x_t @ w["n_weight_x"].T + h @ w["n_weight_h"].T + w["n_bias"])
        h = alpha * candidate + beta * h
        return h, h

    return over_time(step, x, hidden)


def fast_grnn(w, x, hidden):
    zeta, nu = sigma(w["zeta_scalar"]), sigma(w["nu_scalar"])
    W, U = w["s_weight_x"], w["s_weight_h"]

    def step(x_t, h):
        z = sigma(x_t @ W.T + h @ U.T + w["z_bias"])
        candidate = np.tanh(x_t @ W.T + h @ U.T + w["n_bias"])
        h = (zeta * (1 - z) + nu) * candidate + z * h
        return h, h

    return over_time(step, x, hidden)


def ran(w, x, hidden):
    def step(x_t, h, c):
        content = x_t @ w["z_weight_x"].T
        i = sigma(h @ w["i_weight_h"].T + x_t @ w["i_weight_x"].T + w["i_bias"])
        f = sigma(h @ w["f_weight_h"].T + x_t @ w["f_weight_x"].T + w["f_bias"])
        c = i * content + f * c
        h = np.tanh(c)
        return h, h, c

    return over_time(step, x, hidden, 2)


def atr(w, x, hidden):
    def step(x_t, h):
        p, q = x_t @ w["p_weight_x"].T, h @ w["q_weight_h"].T
        h = sigma(p + q) * p + sigma(p - q) * h
        return h, h

    return over_time(step, x, hidden)


def lrn(w, x, hidden):
    """Queries, keys and values first, for all steps."""
    p, q, v = (x @ w[f"{name}_weight_x"].T + w[f"{name}_bias"] for name in "pqv")
    h = np.zeros((x.shape[1], hidden))
    outputs = []
    for time in range(len(x)):
        h = np.tanh(sigma(p[time] + h) * v[time] + sigma(q[time] - h) * h)
        outputs.append(h)
    return np.stack(outputs)


def sru(w, x, hidden):
    """Lei et al. 2018, with a matrix for the highway's input."""

    def step(x_t, c):
        f = sigma(x_t @ w["f_weight_x"].T + w["f_diagonal_c"] * c + w["f_bias"])
        r = sigma(x_t @ w["r_weight_x"].T + w["r_diagonal_c"] * c + w["r_bias"])
        c = f * c + (1 - f) * (x_t @ w["z_weight_x"].T)
        return r * c + (1 - r) * (x_t @ w["h_weight_x"].T), c

    return over_time(step, x, hidden)


def minimal_rnn(w, x, hidden):
    encoded = np.tanh(x @ w["z_weight_x"].T + w["z_bias"])

    def step(z_t, h):
        u = sigma(h @ w["u_weight_h"].T + z_t @ w["u_weight_z"].T + w["u_bias"])
        h = u * h + (1 - u) * z_t
        return h, h

    return over_time(step, encoded, hidden)


def star(w, x, hidden):
    def step(x_t, h):
        z = np.tanh(x_t @ w["z_weight_x"].T + w["z_bias"])
        k = sigma(x_t @ w["k_weight_x"].T + h @ w["k_weight_h"].T + w["k_bias"])
        h = np.tanh((1 - k) * h + k * z)
        return h, h

    return over_time(step, x, hidden)


def sgrn(w, x, hidden):
    def step(x_t, h):
        f = sigma(x_t @ w["p_weight_x"].T + h @ w["f_weight_h"].T + w["f_bias"])
        i = 1 - f
        h = np.tanh(i * (x_t @ w["p_weight_x"].T) + f * h)
        return h, h

    return over_time(step, x, hidden)


TRANSCRIPTIONS = {
    "atr": atr,
    "fast_grnn": fast_grnn,
    "fast_rnn": fast_rnn,
    "light_ru": light_ru,
    "lrn": lrn,
    "mgu_1": mgu_1,
    "mgu_2": mgu_2,
    "mgu_3": mgu_3,
    "minimal_rnn": minimal_rnn,
    "miru_1": miru_1,
    "miru_2": miru_2,
    "ran": ran,
    "sgrn": sgrn,
    "sru": sru,
    "star": star,
    "ugrnn": ugrnn,
}
