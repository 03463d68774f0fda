"""Cells without gates, in NumPy, as their papers write them."""

import numpy as np

from tests.language.stepping import over_time, sigma

__all__ = ["TRANSCRIPTIONS"]


def ind_rnn(w, x, hidden):
    def step(x_t, h):
        h = np.maximum(x_t @ w["h_weight_x"].T + w["h_vector"] * h + w["h_bias"], 0)
        return h, h

    return over_time(step, x, hidden)


def mi_rnn(w, x, hidden):
    alpha, beta_1, beta_2 = w["h_vector"], w["h_vector_2"], w["h_vector_3"]

    def step(x_t, h):
        Wx, Uz = x_t @ w["p_weight_x"].T, h @ w["q_weight_h"].T
        h = np.tanh(alpha * Wx * Uz + beta_1 * Uz + beta_2 * Wx + w["h_bias"])
        return h, h

    return over_time(step, x, hidden)


def scrn(w, x, hidden):
    A, B, P, R = w["h_weight_x"], w["s_weight_x"], w["h_weight_s"], w["h_weight_h"]
    U, V = w["y_weight_h"], w["y_weight_s"]

    def step(x_t, h, s):
        s = 0.05 * (x_t @ B.T) + 0.95 * s
        h = sigma(s @ P.T + x_t @ A.T + h @ R.T)
        return h @ U.T + s @ V.T, h, s

    return over_time(step, x, hidden, 2)


def leaky_rnn(w, x, hidden):
    """A leaking rate of 0.3."""

    def step(x_t, h):
        h = 0.7 * h + 0.3 * np.tanh(x_t @ w["h_weight_x"].T + h @ w["h_weight_h"].T + w["h_bias"])
        return h, h

    return over_time(step, x, hidden)


def exponential(A):
    """The matrix exponential of an antisymmetric matrix, through its eigenvalues, which are imaginary."""
    values, vectors = np.linalg.eigh(1j * A)
    return ((vectors * np.exp(-1j * values)) @ vectors.conj().T).real


def exp_rnn(w, x, hidden):
    B = exponential(w["u_weight_h"] - w["u_weight_h"].T)

    def modrelu(z):
        size = np.abs(z)
        return np.where(size + w["h_bias"] > 0, z / size * (size + w["h_bias"]), 0)

    def step(x_t, h):
        h = modrelu(x_t @ w["u_weight_x"].T + h @ B.T)
        return h, h

    return over_time(step, x, hidden)


def shuffling_rnn(w, x, hidden):
    """The permutation as a matrix: unit i goes to i + 1, the last to the first."""
    permutation = np.zeros((hidden, hidden))
    for unit in range(hidden):
        permutation[(unit + 1) % hidden, unit] = 1

    def step(x_t, h):
        inner = np.maximum(x_t @ w["m_weight_x"].T + w["m_bias"], 0)
        gate = sigma(x_t @ w["b_weight_x"].T + w["b_bias_2"])
        h = np.maximum(h @ permutation.T + (inner @ w["b_weight_m"].T + w["b_bias"]) * gate, 0)
        return h, h

    return over_time(step, x, hidden)


TRANSCRIPTIONS = {
    "exp_rnn": exp_rnn,
    "ind_rnn": ind_rnn,
    "leaky_rnn": leaky_rnn,
    "mi_rnn": mi_rnn,
    "scrn": scrn,
    "shuffling_rnn": shuffling_rnn,
}
