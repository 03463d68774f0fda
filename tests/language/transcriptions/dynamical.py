"""Cells from differential equations and dynamical systems, in NumPy, as their papers write them."""

import numpy as np

from tests.language.stepping import over_time, sigma

__all__ = ["TRANSCRIPTIONS"]


def antisymmetric(w, x, hidden):
    """ε = 0.1, γ = 0.01; the diffusion is part of the matrix."""
    W = w["h_weight_h"] - w["h_weight_h"].T - 0.01 * np.eye(hidden)

    def step(x_t, h):
        h = h + 0.1 * np.tanh(h @ W.T + x_t @ w["h_weight_x"].T + w["h_bias"])
        return h, h

    return over_time(step, x, hidden)


def gated_antisymmetric(w, x, hidden):
    """ε = 0.1, γ = 0.01; gate and content have the same recurrent matrix."""
    W = w["v_weight_h"] - w["v_weight_h"].T - 0.01 * np.eye(hidden)

    def step(x_t, h):
        z = sigma(h @ W.T + x_t @ w["z_weight_x"].T + w["z_bias"])
        h = h + 0.1 * z * np.tanh(h @ W.T + x_t @ w["h_weight_x"].T + w["h_bias"])
        return h, h

    return over_time(step, x, hidden)


def cornn(w, x, hidden):
    """Δt = 0.042, γ = 2.7, ε = 4.7; y is the position, z the velocity."""
    W, W_z, V = w["z_weight_h"], w["z_weight_z"], w["z_weight_x"]

    def step(u, y, z):
        z = z + 0.042 * np.tanh(y @ W.T + z @ W_z.T + u @ V.T + w["z_bias"]) - 0.042 * 2.7 * y - 0.042 * 4.7 * z
        y = y + 0.042 * z
        return y, y, z

    return over_time(step, x, hidden, 2)


def unicornn(w, x, hidden):
    """Δt = 0.19, α = 30.65; the paper writes the time scale's squashing function as 1/2 + tanh(c/2)/2."""
    scale = 0.5 + 0.5 * np.tanh(w["c_vector"] / 2)

    def step(u, y, z):
        z = z - 0.19 * scale * (np.tanh(w["z_vector"] * y + u @ w["z_weight_x"].T + w["z_bias"]) + 30.65 * y)
        y = y + 0.19 * scale * z
        return y, y, z

    return over_time(step, x, hidden, 2)


def lem(w, x, hidden):
    """Δt = 1; the update of y sees the new z."""

    def step(u, y, z):
        step_1 = sigma(y @ w["a_weight_h"].T + u @ w["a_weight_x"].T + w["a_bias"])
        step_2 = sigma(y @ w["b_weight_h"].T + u @ w["b_weight_x"].T + w["b_bias"])
        z = (1 - step_1) * z + step_1 * np.tanh(y @ w["z_weight_h"].T + u @ w["z_weight_x"].T + w["z_bias"])
        y = (1 - step_2) * y + step_2 * np.tanh(z @ w["h_weight_z"].T + u @ w["h_weight_x"].T + w["h_bias"])
        return y, y, z

    return over_time(step, x, hidden, 2)


def lipschitz(w, x, hidden):
    """β = 0.8, γ = 0.01, ε = 0.01; each matrix whole, with an M for its symmetric part and one for the other."""

    def matrix(symmetric, antisymmetric):
        return 0.2 * (symmetric + symmetric.T) + 0.8 * (antisymmetric - antisymmetric.T) - 0.01 * np.eye(hidden)

    A = matrix(w["a_weight_h"], w["a_weight_h_2"])
    W = matrix(w["w_weight_h"], w["w_weight_h_2"])

    def step(x_t, h):
        derivative = h @ A.T + np.tanh(h @ W.T + x_t @ w["h_weight_x"].T + w["h_bias"])
        h = h + 0.01 * derivative
        return h, h

    return over_time(step, x, hidden)


def plrnn(w, x, hidden):
    """The linear map h takes below 0 and the one it takes above, as matrices."""
    below = np.diag(w["h_diagonal_h"])
    above = below + w["h_weight_relu_h"]

    def step(x_t, z):
        positive = np.where(z > 0, z, 0)
        z = positive @ above.T + (z - positive) @ below.T + x_t @ w["h_weight_x"].T + w["h_bias"]
        return z, z

    return over_time(step, x, hidden)


def ctrnn(w, x, hidden):
    """τ dy/dt = −y + W σ(y + θ) + I, with steps of a τ; the output is σ(y + θ)."""
    part = sigma(w["a_vector"])

    def step(x_t, y):
        slope = -y + sigma(y + w["theta_bias"]) @ w["y_weight_sigmoid_y_theta"].T + x_t @ w["y_weight_x"].T
        y = y + part * slope
        return sigma(y + w["theta_bias"]), y

    return over_time(step, x, hidden)


TRANSCRIPTIONS = {
    "antisymmetric": antisymmetric,
    "cornn": cornn,
    "ctrnn": ctrnn,
    "gated_antisymmetric": gated_antisymmetric,
    "lem": lem,
    "lipschitz": lipschitz,
    "plrnn": plrnn,
    "unicornn": unicornn,
}
