"""Cells with a single gated state, beside the GRU and its kin, in NumPy, as their papers write them."""

import numpy as np

from tests.language.stepping import over_time, sigma

__all__ = ["TRANSCRIPTIONS"]


def li_gru(w, x, hidden):
    """Without the batch normalisation of the paper."""

    def step(x_t, h):
        z = sigma(x_t @ w["z_weight_x"].T + w["z_bias"] + h @ w["z_weight_h"].T)
        candidate = np.maximum(x_t @ w["n_weight_x"].T + w["n_bias"] + h @ w["n_weight_h"].T, 0)
        h = z * h + (1 - z) * candidate
        return h, h

    return over_time(step, x, hidden)


def intersection_rnn(w, x, hidden):
    def step(x_t, h):
        def affine(name):
            return h @ w[f"{name}_weight_h"].T + x_t @ w[f"{name}_weight_x"].T + w[f"{name}_bias"]

        y_in, h_in = np.maximum(affine("a"), 0), np.tanh(affine("n"))
        gate_y, gate_h = sigma(affine("p")), sigma(affine("g"))
        return gate_y * x_t + (1 - gate_y) * y_in, gate_h * h + (1 - gate_h) * h_in

    return over_time(step, x, hidden)


def bistable(w, x, hidden, seen_by):
    """Vecoven et al. 2021; what the gates see of the state is left to the caller."""

    def step(x_t, h):
        a = 1 + np.tanh(x_t @ w["a_weight_x"].T + seen_by("a", h) + w["a_bias"])
        c = sigma(x_t @ w["c_weight_x"].T + seen_by("c", h) + w["c_bias"])
        h = c * h + (1 - c) * np.tanh(x_t @ w["h_weight_x"].T + a * h + w["h_bias"])
        return h, h

    return over_time(step, x, hidden)


def brc(w, x, hidden):
    return bistable(w, x, hidden, lambda gate, h: w[f"{gate}_diagonal_h"] * h)


def nbrc(w, x, hidden):
    return bistable(w, x, hidden, lambda gate, h: h @ w[f"{gate}_weight_h"].T)


def cfn(w, x, hidden):
    def step(x_t, h):
        theta = sigma(h @ w["theta_weight_h"].T + x_t @ w["theta_weight_x"].T + w["theta_bias"])
        eta = sigma(h @ w["eta_weight_h"].T + x_t @ w["eta_weight_x"].T + w["eta_bias"])
        h = theta * np.tanh(h) + eta * np.tanh(x_t @ w["h_weight_x"].T)
        return h, h

    return over_time(step, x, hidden)


def simple_gated(w, x, hidden, content):
    """Gao & Glowacka 2016; the step from z_g ⊙ h to the content is left to the caller."""

    def step(x_t, h):
        x_g = x_t @ w["p_weight_x"].T + w["p_bias"]
        z_g = np.tanh((x_g * h) @ w["g_weight_p_h"].T)
        z_out = content(z_g * h)
        before = x_t @ w["z_weight_x"].T + h @ w["z_weight_h"].T + w["z_bias"]
        z_t = np.minimum(np.maximum((before + 3) / 6, 0), 1)
        h = (1 - z_t) * h + z_t * z_out
        return h, h

    return over_time(step, x, hidden)


def sgu(w, x, hidden):
    return simple_gated(w, x, hidden, lambda u: np.log(1 + np.exp(u)))


def dsgu(w, x, hidden):
    return simple_gated(w, x, hidden, lambda u: sigma(u @ w["n_weight_g_h"].T))


def tau_gru(w, x, hidden):
    """The delay is five steps; past[n] is the state after n steps."""
    zeros = np.zeros((x.shape[1], hidden))
    past = [zeros]
    for n, x_n in enumerate(x):
        now, delayed = past[n], past[n - 5] if n >= 5 else zeros
        u = np.tanh(now @ w["u_weight_h"].T + x_n @ w["u_weight_x"].T + w["u_bias"])
        z = np.tanh(delayed @ w["z_weight_d5"].T + x_n @ w["z_weight_x"].T + w["z_bias"])
        g = sigma(now @ w["g_weight_h"].T + x_n @ w["g_weight_x"].T + w["g_bias"])
        a = sigma(now @ w["a_weight_h"].T + x_n @ w["a_weight_x"].T + w["a_bias"])
        past.append((1 - g) * now + g * (u + a * z))
    return np.stack(past[1:])


def delta_rnn(w, x, hidden):
    alpha, beta_1, beta_2 = w["n_vector"], w["n_vector_2"], w["n_vector_3"]

    def step(x_t, h):
        data, state = x_t @ w["p_weight_x"].T, h @ w["q_weight_h"].T
        d1 = alpha * state * data
        d2 = beta_1 * state + beta_2 * data
        z = np.tanh(d1 + d2 + w["n_bias"])
        r = sigma(data + w["r_bias"])
        h = np.tanh((1 - r) * z + r * h)
        return h, h

    return over_time(step, x, hidden)


def highway(w, x, hidden, depth, names):
    """Zilly et al. 2017, with c = 1 − t; names(layer) gives those of content, gate and state."""
    s = np.zeros((x.shape[1], hidden))
    outputs = []
    for x_t in x:
        for layer in range(depth):
            content, transform, state = names(layer)
            before_h = s @ w[f"{content}_weight_{state}"].T + w[f"{content}_bias"]
            before_t = s @ w[f"{transform}_weight_{state}"].T + w[f"{transform}_bias"]
            if layer == 0:
                before_h = before_h + x_t @ w[f"{content}_weight_x"].T
                before_t = before_t + x_t @ w[f"{transform}_weight_x"].T
            t = sigma(before_t)
            s = np.tanh(before_h) * t + s * (1 - t)
        outputs.append(s)
    return np.stack(outputs)


def rhn(w, x, hidden):
    return highway(w, x, hidden, 1, lambda layer: ("n", "g", "h"))


def rhn_depth_3(w, x, hidden):
    return highway(w, x, hidden, 3, lambda layer: (f"n{layer + 1}", f"g{layer + 1}", ("h", "s1", "s2")[layer]))


TRANSCRIPTIONS = {
    "brc": brc,
    "cfn": cfn,
    "delta_rnn": delta_rnn,
    "dsgu": dsgu,
    "intersection_rnn": intersection_rnn,
    "li_gru": li_gru,
    "nbrc": nbrc,
    "rhn": rhn,
    "rhn_depth_3": rhn_depth_3,
    "sgu": sgu,
    "tau_gru": tau_gru,
}
