"""Cells whose recurrence is linear in the state given the input, in NumPy, as their papers write them."""

import numpy as np

from tests.language.stepping import sigma

__all__ = ["TRANSCRIPTIONS"]


def scan(coefficients, inputs):
    """Return s_t = a_t s_{t−1} + b_t for all t, from s = 0; both (time, batch, hidden), real or complex."""
    s = np.zeros_like(inputs[0])
    states = []
    for a, b in zip(np.broadcast_to(coefficients, inputs.shape), inputs, strict=True):
        s = a * s + b
        states.append(s)
    return np.stack(states)


def shifted(x):
    """Return x of the step before, 0 before the first."""
    return np.concatenate([np.zeros_like(x[:1]), x[:-1]])


def affine(w, name, x):
    """W x + b for every step, and V x_{t−1} where the cell has such a matrix."""
    total = x @ w[f"{name}_weight_x"].T + w.get(f"{name}_bias", 0)
    before = w.get(f"{name}_weight_xp")
    return total if before is None else total + shifted(x) @ before.T


def sru_v1(w, x, hidden):
    f, r = sigma(affine(w, "f", x)), sigma(affine(w, "r", x))
    c = scan(f, (1 - f) * (x @ w["z_weight_x"].T))
    return r * np.tanh(c) + (1 - r) * (x @ w["h_weight_x"].T)


def qrnn_f(w, x, hidden):
    z, f = np.tanh(affine(w, "z", x)), sigma(affine(w, "f", x))
    return scan(f, (1 - f) * z)


def qrnn_fo(w, x, hidden):
    return sigma(affine(w, "o", x)) * qrnn_f(w, x, hidden)


def qrnn_ifo(w, x, hidden):
    z = np.tanh(affine(w, "z", x))
    f, i, o = (sigma(affine(w, name, x)) for name in "fio")
    return o * scan(f, i * z)


def t_rnn(w, x, hidden):
    f = sigma(affine(w, "f", x))
    return scan(f, (1 - f) * (x @ w["z_weight_x"].T))


def t_gru(w, x, hidden):
    z, f, o = affine(w, "z", x), sigma(affine(w, "f", x)), np.tanh(affine(w, "o", x))
    return scan(f, z * o)


def positive(u):
    """The g of Feng et al. 2024."""
    return np.where(u >= 0, u + 0.5, sigma(u))


def min_gru(w, x, hidden):
    z = sigma(affine(w, "z", x))
    return scan(1 - z, z * affine(w, "n", x))


def min_gru_positive(w, x, hidden):
    z = sigma(affine(w, "z", x))
    return scan(1 - z, z * positive(affine(w, "u", x)))


def normalised(w, x):
    f, i = sigma(affine(w, "p", x)), sigma(affine(w, "q", x))
    return f / (f + i), i / (f + i)


def min_lstm(w, x, hidden):
    f, i = normalised(w, x)
    return scan(f, i * affine(w, "n", x))


def min_lstm_positive(w, x, hidden):
    f, i = normalised(w, x)
    return scan(f, i * positive(affine(w, "u", x)))


def gilr(w, x, hidden):
    g = sigma(affine(w, "g", x))
    return scan(g, (1 - g) * np.tanh(affine(w, "n", x)))


def lru(w, x, hidden):
    """In complex numbers, with γ = √(1 − |λ|²) times the exponential of what is learned."""
    eigenvalues = np.exp(-np.exp(w["nu_vector"]) + 1j * np.exp(w["theta_vector"]))
    gamma = np.sqrt(1 - np.abs(eigenvalues) ** 2) * np.exp(w["g_vector"])
    B = w["u_weight_x"] + 1j * w["im_weight_x"]
    C = w["h_weight_re"] + 1j * w["h_weight_im"]
    states = scan(eigenvalues, gamma * (x @ B.T))
    return (states @ C.T).real + x @ w["h_weight_x"].T


def rg_lru(w, x, hidden):
    """Equations 1 to 4, with c = 8, after a linear layer."""
    inner = x @ w["u_weight_x"].T + w["u_bias"]
    r = sigma(inner @ w["r_weight_u"].T + w["r_bias"])
    i = sigma(inner @ w["i_weight_u"].T + w["i_bias"])
    a = sigma(w["lam_vector"]) ** (8 * r)
    return scan(a, np.sqrt(1 - a**2) * (i * inner))


def hgrn(w, x, hidden):
    """In complex numbers; the output gate's halves meet the real and the imaginary part."""

    def silu(u):
        return u * sigma(u)

    lower = sigma(w["low_vector"])
    forget = lower + (1 - lower) * sigma(affine(w, "m", x))
    content = silu(affine(w, "u", x)) + 1j * silu(affine(w, "im", x))
    states = scan(forget * np.exp(1j * np.exp(w["theta_vector"])), (1 - forget) * content)
    gated = silu(affine(w, "p", x)) * states.real, silu(affine(w, "q", x)) * states.imag
    return gated[0] @ w["h_weight_p_re"].T + gated[1] @ w["h_weight_q_im"].T + w["h_bias"]


def rwkv_4(w, x, hidden):
    """The weighted mean as a sum over all earlier steps, in the time of the sequence squared."""
    mixed = {}
    for name in "rkv":
        share = 0.5 + w[f"x{name}_diagonal_x_xp"]
        mixed[name] = (share * x + (1 - share) * shifted(x)) @ w[f"{name}_weight_x{name}"].T
    decay, bonus, k, v = np.exp(w["w_vector"]), w["u_vector"], mixed["k"], mixed["v"]
    outputs = []
    for t in range(len(x)):
        weights = [np.exp(-(t - 1 - i) * decay + k[i]) for i in range(t)] + [np.exp(bonus + k[t])]
        mean = sum(weight * v[i] for i, weight in enumerate(weights)) / sum(weights)
        outputs.append((sigma(mixed["r"][t]) * mean) @ w["h_weight_r_wkv"].T)
    return np.stack(outputs)


TRANSCRIPTIONS = {
    "gilr": gilr,
    "hgrn": hgrn,
    "lru": lru,
    "min_gru": min_gru,
    "min_gru_positive": min_gru_positive,
    "min_lstm": min_lstm,
    "min_lstm_positive": min_lstm_positive,
    "qrnn_f": qrnn_f,
    "qrnn_f_window_2": qrnn_f,
    "qrnn_fo": qrnn_fo,
    "qrnn_fo_window_2": qrnn_fo,
    "qrnn_ifo": qrnn_ifo,
    "qrnn_ifo_window_2": qrnn_ifo,
    "rg_lru": rg_lru,
    "rwkv_4": rwkv_4,
    "sru_v1": sru_v1,
    "t_gru": t_gru,
    "t_rnn": t_rnn,
}
