"""Variants that read dt, or a mask, in NumPy, from the formulas of their papers; without them every one is 1."""

import numpy as np

from tests.language.stepping import sigma

__all__ = ["TRANSCRIPTIONS"]


def unrolled(step, x, sizes, dt=None, mask=None):
    """Run (x_t, m_t, dt_t, *states) -> (output, *states) from zeros; dt is (time, batch)."""
    dt = np.ones(x.shape[:2]) if dt is None else dt
    mask = np.ones_like(x) if mask is None else mask
    states, outputs = [np.zeros((x.shape[1], size)) for size in sizes], []
    for x_t, m_t, dt_t in zip(x, mask, dt, strict=True):
        output, *states = step(x_t, m_t, dt_t[:, None], *states)
        outputs.append(output)
    return np.stack(outputs)


def gru_d(w, x, hidden, dt=None, mask=None):
    """Che et al. 2018: x̂ = m x + (1 - m)(γ x' + (1 - γ) x̄) with x̄ = 0; z of 1 takes the candidate."""

    def step(x_t, m_t, dt_t, h, delta, last, m_old):
        delta = dt_t + (1 - m_old) * delta
        gamma_x = np.exp(-np.maximum(0, delta * w["gamma_x_diagonal_delta"] + w["gamma_x_diagonal_mask_0"]))
        x_hat = np.where(m_t == 1, x_t, gamma_x * last + (1 - gamma_x) * 0)
        h_hat = np.exp(-np.maximum(0, delta @ w["gamma_h_weight_delta"].T + w["gamma_h_bias"])) * h

        def net(gate, recurrent, name):
            return (
                x_hat @ w[f"{gate}_weight_x_hat"].T + recurrent @ w[f"{gate}_weight_{name}"].T
                + m_t @ w[f"{gate}_weight_mask"].T + w[f"{gate}_bias"]
            )  # fmt: skip

        r, z = sigma(net("r", h_hat, "k")), sigma(net("z", h_hat, "k"))
        h = (1 - z) * h_hat + z * np.tanh(net("n", r * h_hat, "r_k"))
        return h, h, delta, np.where(m_t == 1, x_t, last), m_t

    return unrolled(step, x, (hidden, *[x.shape[-1]] * 3), dt, mask)


def ct_lstm(w, x, hidden, dt=None):
    """Mei & Eisner 2017: c(t) = c̄ + (c - c̄) exp(-δ (t - t_i)), h(t) = o (2σ(2c(t)) - 1)."""

    def step(k, _, dt_t, c, c_bar, delta, o):
        c_t = c_bar + (c - c_bar) * np.exp(-delta * dt_t)
        h_t = o * np.tanh(c_t)

        def net(gate):
            return k @ w[f"{gate}_weight_x"].T + h_t @ w[f"{gate}_weight_h_old"].T + w[f"{gate}_bias"]

        z = np.tanh(net("z") / 2)
        c = sigma(net("f")) * c_t + sigma(net("i")) * z
        c_bar = sigma(net("f_target")) * c_bar + sigma(net("i_target")) * z
        o = sigma(net("o"))
        return o * np.tanh(c), c, c_bar, np.log1p(np.exp(net("rate"))), o

    return unrolled(step, x, (hidden,) * 4, dt)


def phased_lstm_dt(w, x, hidden, dt=None):
    """Neil et al. 2016: φ = ((t - s) mod τ)/τ at the time t of each step."""
    tau = np.exp(w["tau_vector"])

    def step(x_t, _, dt_t, h, c, time):
        time = time + dt_t

        def net(gate, cell=0.0, name="c"):
            peephole = w[f"{gate}_diagonal_{name}"] * cell if gate != "z" else 0.0
            return x_t @ w[f"{gate}_weight_x"].T + h @ w[f"{gate}_weight_h"].T + w[f"{gate}_bias"] + peephole

        phi = np.mod(time - tau * w["s_vector"], tau) / tau
        r = w["r_vector"]
        k = np.where(phi < r / 2, 2 * phi / r, np.where(phi < r, 2 - 2 * phi / r, 0.001 * phi))
        c_new = sigma(net("f", c)) * c + sigma(net("i", c)) * np.tanh(net("z"))
        h_new = sigma(net("o", c_new, "c_open")) * np.tanh(c_new)
        h, c = k * h_new + (1 - k) * h, k * c_new + (1 - k) * c
        return h, h, c, time

    return unrolled(step, x, (hidden, hidden, 1), dt)


def cfc_dt(w, x, hidden, dt=None):
    """Hasani et al. 2022: x(t) = σ(-f t) g + (1 - σ(-f t)) h."""

    def step(x_t, _, dt_t, h):
        seen = x_t @ w["backbone_weight_x"].T + h @ w["backbone_weight_h"].T + w["backbone_bias"]
        heads = {k: 1.7159 * np.tanh(0.666 * seen) @ w[f"{k}_weight_backbone"].T + w[f"{k}_bias"] for k in "gkf"}
        opened = 1 / (1 + np.exp(heads["f"] * dt_t))
        h = opened * np.tanh(heads["g"]) + (1 - opened) * np.tanh(heads["k"])
        return h, h

    return unrolled(step, x, (hidden,), dt)


def ltc_dt(w, x, hidden, dt=None):
    """Hasani et al. 2021, algorithm 1: x = (x + Δ f A)/(1 + Δ (1/τ + f)), six times for each interval."""
    tau = np.log1p(np.exp(w["tau_vector"]))

    def step(x_t, _, dt_t, h):
        for _ in range(6):
            f = sigma(x_t @ w["u_weight_x"].T + w["u_bias"] + h @ w["f1_weight_h"].T)
            h = (h + dt_t / 6 * f * w["a_vector"]) / (1 + dt_t / 6 * (1 / tau + f))
        return h, h

    return unrolled(step, x, (hidden,), dt)


TRANSCRIPTIONS = {
    "gru_d": gru_d,
    "ct_lstm": ct_lstm,
    "phased_lstm_dt": phased_lstm_dt,
    "cfc_dt": cfc_dt,
    "ltc_dt": ltc_dt,
}
