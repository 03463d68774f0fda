"""The GRU family and two continuous-time networks, each written from the formulas of its paper."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, Array]


def sigma(u: Array) -> Array:
    return 1 / (1 + np.exp(-u))


def unroll(step: Callable[[Array, Array], Array], x: Array, hidden: int) -> Array:
    """Run h_t = step(x_t, h) over time from zeros; x (time, batch, input) -> (time, batch, hidden)."""
    h = np.zeros((x.shape[1], hidden))
    outputs = []
    for x_t in x:
        h = step(x_t, h)
        outputs.append(h)
    return np.stack(outputs)


def s4_gated(w: Weights, x: Array, hidden: int) -> Array:
    """The gated network of S4's code: h = (1 - g) h' + g tanh(W x + U (r h'))."""

    def step(x_t: Array, h: Array) -> Array:
        r = sigma(x_t @ w["r_weight_x"].T + h @ w["r_weight_h"].T + w["r_bias"])
        g = sigma(x_t @ w["g_weight_x"].T + h @ w["g_weight_h"].T + w["g_bias"])
        candidate = np.tanh(x_t @ w["n_weight_x"].T + (r * h) @ w["n_weight_r_h"].T + w["n_bias"])
        return (1 - g) * h + g * candidate

    return unroll(step, x, hidden)


def matrix_exponential(A: Array) -> Array:
    """exp(A) of an antisymmetric A, by its eigenvectors: iA is Hermitian."""
    values, vectors = np.linalg.eigh(1j * A)
    return np.real((vectors * np.exp(-1j * values)) @ vectors.conj().T)


def goru(w: Weights, x: Array, hidden: int) -> Array:
    """Jing et al. 2017: h = z h' + (1 - z) modReLU(W x + r (U h'), b), U orthogonal, modReLU(u, b) = ±(|u| + b)₊."""
    U = matrix_exponential(w["a_weight_h"] - w["a_weight_h"].T)
    np.testing.assert_allclose(U @ U.T, np.eye(hidden), atol=1e-12)

    def mod_relu(u: Array, b: Array) -> Array:
        return np.where(np.abs(u) + b >= 0, (np.abs(u) + b) * u / np.abs(u), 0)

    def step(x_t: Array, h: Array) -> Array:
        r = sigma(x_t @ w["r_weight_x"].T + h @ w["r_weight_h"].T + w["r_bias"])
        z = sigma(x_t @ w["z_weight_x"].T + h @ w["z_weight_h"].T + w["z_bias"])
        return z * h + (1 - z) * mod_relu(x_t @ w["a_weight_x"].T + r * (h @ U.T), w["n_bias"])

    return unroll(step, x, hidden)


def mut1(w: Weights, x: Array, hidden: int) -> Array:
    """Jozefowicz et al. 2015, MUT1."""

    def step(x_t: Array, h: Array) -> Array:
        z = sigma(x_t @ w["z_weight_x"].T + w["z_bias"])
        r = sigma(x_t @ w["r_weight_x"].T + h @ w["r_weight_h"].T + w["r_bias"])
        return np.tanh((r * h) @ w["n_weight_r_h"].T + np.tanh(x_t) + w["n_bias"]) * z + h * (1 - z)

    return unroll(step, x, hidden)


def mut2(w: Weights, x: Array, hidden: int) -> Array:
    """Jozefowicz et al. 2015, MUT2."""

    def step(x_t: Array, h: Array) -> Array:
        z = sigma(x_t @ w["z_weight_x"].T + h @ w["z_weight_h"].T + w["z_bias"])
        r = sigma(x_t + h @ w["r_weight_h"].T + w["r_bias"])
        return np.tanh((r * h) @ w["n_weight_r_h"].T + x_t @ w["n_weight_x"].T + w["n_bias"]) * z + h * (1 - z)

    return unroll(step, x, hidden)


def mut3(w: Weights, x: Array, hidden: int) -> Array:
    """Jozefowicz et al. 2015, MUT3."""

    def step(x_t: Array, h: Array) -> Array:
        z = sigma(x_t @ w["z_weight_x"].T + np.tanh(h) @ w["z_weight_tanh_h"].T + w["z_bias"])
        r = sigma(x_t @ w["r_weight_x"].T + h @ w["r_weight_h"].T + w["r_bias"])
        return np.tanh((r * h) @ w["n_weight_r_h"].T + x_t @ w["n_weight_x"].T + w["n_bias"]) * z + h * (1 - z)

    return unroll(step, x, hidden)


def reduced(gate: Callable[[Weights, str, Array], Array]) -> Callable[[Weights, Array, int], Array]:
    """Dey & Salem 2017: h = (1 - z) h' + z h̃, h̃ = tanh(W x + U (r h') + b), gates of h and a bias at most."""

    def transcription(w: Weights, x: Array, hidden: int) -> Array:
        def step(x_t: Array, h: Array) -> Array:
            z, r = sigma(gate(w, "z", h)), sigma(gate(w, "r", h))
            h_tilde = np.tanh(x_t @ w["n_weight_x"].T + (r * h) @ w["n_weight_r_h"].T + w["n_bias"])
            return (1 - z) * h + z * h_tilde

        return unroll(step, x, hidden)

    return transcription


def gru_decay(w: Weights, x: Array, hidden: int) -> Array:
    """Che et al. 2018: γ = exp(-max(0, W_γ δ + b_γ)), ĥ = γ h', then a GRU at ĥ; here δ is among the features of x."""

    def step(x_t: Array, h: Array) -> Array:
        gamma = np.exp(-np.maximum(0, x_t @ w["decay_weight_x"].T + w["decay_bias"]))
        h_hat = gamma * h
        z = sigma(x_t @ w["z_weight_x"].T + h_hat @ w["z_weight_k"].T + w["z_bias"])
        r = sigma(x_t @ w["r_weight_x"].T + h_hat @ w["r_weight_k"].T + w["r_bias"])
        h_tilde = np.tanh(x_t @ w["n_weight_x"].T + (r * h_hat) @ w["n_weight_r_k"].T + w["n_bias"])
        return (1 - z) * h_hat + z * h_tilde

    return unroll(step, x, hidden)


def mi_gru(w: Weights, x: Array, hidden: int) -> Array:
    """Wu et al. 2016: α (W x)(U h) + β₁ U h + β₂ W x + b in both gates, and at r h' in the candidate."""

    def integrated(gate: str, Wx: Array, Uh: Array) -> Array:
        alpha, beta_1, beta_2 = (w[f"{gate}_{name}"] for name in ("vector", "vector_2", "vector_3"))
        return alpha * Wx * Uh + beta_1 * Uh + beta_2 * Wx + w[f"{gate}_bias"]

    def step(x_t: Array, h: Array) -> Array:
        z = sigma(integrated("z", x_t @ w["z_x_weight_x"].T, h @ w["z_h_weight_h"].T))
        r = sigma(integrated("r", x_t @ w["r_x_weight_x"].T, h @ w["r_h_weight_h"].T))
        h_tilde = np.tanh(integrated("n", x_t @ w["n_x_weight_x"].T, (r * h) @ w["n_h_weight_r_h"].T))
        return h + z * (h_tilde - h)

    return unroll(step, x, hidden)


def layer_norm_gru(w: Weights, x: Array, hidden: int) -> Array:
    """Ba et al. 2016, supplement, each gate normalised apart: h̃ = tanh(LN(W x) + σ(r) LN(U h))."""

    def normalised(a: Array, gain: Array) -> Array:
        return gain * (a - a.mean(axis=-1, keepdims=True)) / np.sqrt(a.var(axis=-1, keepdims=True) + 1e-5)

    def gate(name: str, x_t: Array, h: Array) -> Array:
        from_x = normalised(x_t @ w[f"{name}_weight_x"].T, w[f"{name}_vector"])
        from_h = normalised(h @ w[f"{name}_weight_h"].T, w[f"{name}_vector_2"])
        return sigma(from_h + from_x + w[f"{name}_bias"])

    def step(x_t: Array, h: Array) -> Array:
        from_x = normalised(x_t @ w["n_x_weight_x"].T, w["n_x_vector"]) + w["n_x_bias"]
        from_h = normalised(h @ w["n_h_weight_h"].T, w["n_h_vector"]) + w["n_h_bias"]
        z = gate("z", x_t, h)
        return (1 - z) * h + z * np.tanh(from_x + gate("r", x_t, h) * from_h)

    return unroll(step, x, hidden)


def ur_gru(w: Weights, x: Array, hidden: int) -> Array:
    """Gu et al. 2020: g = r (1 - (1 - f)²) + (1 - r) f² for the retaining gate of a GRU, b in f and -b in r."""

    def step(x_t: Array, h: Array) -> Array:
        forget = sigma(x_t @ w["f_weight_x"].T + h @ w["f_weight_h"].T + w["f_bias"] + w["b_vector"])
        refine = sigma(x_t @ w["q_weight_x"].T + h @ w["q_weight_h"].T + w["q_bias"] - w["b_vector"])
        effective = refine * (1 - (1 - forget) ** 2) + (1 - refine) * forget**2
        reset = sigma(x_t @ w["r_weight_x"].T + h @ w["r_weight_h"].T + w["r_bias"])
        candidate = np.tanh(x_t @ w["n_weight_x"].T + (reset * h) @ w["n_weight_r_h"].T + w["n_bias"])
        return effective * h + (1 - effective) * candidate

    return unroll(step, x, hidden)


def cfc(w: Weights, x: Array, hidden: int) -> Array:
    """Hasani et al. 2022: x(t) = σ(-f t) g + (1 - σ(-f t)) h at t = 1, three heads on a shared backbone."""

    def step(x_t: Array, h: Array) -> Array:
        pre = x_t @ w["backbone_weight_x"].T + h @ w["backbone_weight_h"].T + w["backbone_bias"]
        backbone = 1.7159 * np.tanh(0.666 * pre)
        f, g, k = (backbone @ w[f"{head}_weight_backbone"].T + w[f"{head}_bias"] for head in "fgk")
        closing = 1 / (1 + np.exp(f * 1.0))
        return closing * np.tanh(g) + (1 - closing) * np.tanh(k)

    return unroll(step, x, hidden)


def ltc(w: Weights, x: Array, hidden: int) -> Array:
    """Hasani et al. 2021, the fused solver: x ← (x + Δt f A)/(1 + Δt (1/τ + f)), six times with Δt = 1/6."""
    tau = np.log(1 + np.exp(w["tau_vector"]))

    def step(x_t: Array, h: Array) -> Array:
        for _ in range(6):
            f = sigma(x_t @ w["u_weight_x"].T + h @ w["f1_weight_h"].T + w["u_bias"])
            h = (h + 1 / 6 * f * w["a_vector"]) / (1 + 1 / 6 * (1 / tau + f))
        return h

    return unroll(step, x, hidden)


TRANSCRIPTIONS: dict[str, Callable[[Weights, Array, int], Array]] = {
    "cfc": cfc,
    "goru": goru,
    "gru_1": reduced(lambda w, gate, h: h @ w[f"{gate}_weight_h"].T + w[f"{gate}_bias"]),
    "gru_2": reduced(lambda w, gate, h: h @ w[f"{gate}_weight_h"].T),
    "gru_3": reduced(lambda w, gate, h: w[f"{gate}_bias"]),
    "gru_decay": gru_decay,
    "layer_norm_gru": layer_norm_gru,
    "ltc": ltc,
    "mi_gru": mi_gru,
    "mut1": mut1,
    "mut2": mut2,
    "mut3": mut3,
    "s4_gated": s4_gated,
    "ur_gru": ur_gru,
}
"""Variant name -> (weights, x of (time, batch, input), hidden size) -> outputs of (time, batch, hidden)."""
