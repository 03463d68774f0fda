"""The LSTM family: cells with a memory beside the hidden state, each written from the formulas of its paper."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, Array]
Step = Callable[..., tuple[Array, ...]]


def logistic(u: Array) -> Array:
    return 1 / (1 + np.exp(-u))


def times(matrix: Array, rows: Array) -> Array:
    """Matrix times each row, (batch, source) -> (batch, hidden)."""
    return np.einsum("ij,bj->bi", matrix, rows)


def affine(w: Weights, gate: str, **sources: Array) -> Array:
    """W x + U h + … + b of one gate; each keyword names a source as the parameters do."""
    return product(w, gate, **sources) + w[f"{gate}_bias"]


def product(w: Weights, gate: str, **sources: Array) -> Array:
    """W x + U h + … of one gate, without a bias."""
    return sum((times(w[f"{gate}_weight_{name}"], rows) for name, rows in sources.items()), np.zeros(()))


def unroll(step: Step, x: Array, *states: int) -> Array:
    """Run a step over time from states of zeros; the first of its results is the output, the others the new states.

    Args:
        step: (x_t, *states) -> (output, *new states), all (batch, size).
        x: (time, batch, input).
        states: size of each state.
    """
    current = tuple(np.zeros((x.shape[1], size)) for size in states)
    outputs = []
    for x_t in x:
        left, *carried = step(x_t, *current)
        outputs.append(left)
        current = tuple(carried)
    return np.stack(outputs)


def lstm_1997(w: Weights, x: Array, hidden: int) -> Array:
    """Hochreiter & Schmidhuber 1997: s = s + y_in g(net_c), y_c = y_out h(s); g within ±2, h within ±1."""

    def step(x_t: Array, y: Array, s: Array) -> tuple[Array, ...]:
        y_in, y_out = logistic(affine(w, "i", x=x_t, h=y)), logistic(affine(w, "o", x=x_t, h=y))
        g = 4 / (1 + np.exp(-affine(w, "z", x=x_t, h=y))) - 2
        s = s + y_in * g
        y = y_out * (2 / (1 + np.exp(-s)) - 1)
        return y, y, s

    return unroll(step, x, hidden, hidden)


def lstm_1997_full(w: Weights, x: Array, hidden: int) -> Array:
    """The same with every unit of the hidden layer (cells, input and output gates) seen by every unit."""
    order = ("x", "h", "i_old", "o_old")
    net = {unit: np.concatenate([w[f"{unit}_weight_{source}"] for source in order], axis=1) for unit in "izo"}

    def step(x_t: Array, layer: Array, s: Array) -> tuple[Array, ...]:
        seen = np.concatenate([x_t, layer], axis=1)
        y_in = logistic(seen @ net["i"].T + w["i_bias"])
        y_out = logistic(seen @ net["o"].T + w["o_bias"])
        s = s + y_in * (4 * logistic(seen @ net["z"].T) - 2)
        y = y_out * (2 * logistic(s) - 1)
        return y, np.concatenate([y, y_in, y_out], axis=1), s

    return unroll(step, x, 3 * hidden, hidden)


def lstm_1997_blocks(w: Weights, x: Array, hidden: int) -> Array:
    """The same with one input gate and one output gate for every two cells."""
    blocks = hidden // 2
    order = ("x", "h", "i_old", "o_old")
    net = {unit: np.concatenate([w[f"{unit}_weight_{source}"] for source in order], axis=1) for unit in "izo"}

    def step(x_t: Array, layer: Array, s: Array) -> tuple[Array, ...]:
        seen = np.concatenate([x_t, layer], axis=1)
        y_in = logistic(seen @ net["i"].T + w["i_bias"])
        y_out = logistic(seen @ net["o"].T + w["o_bias"])
        g = 4 * logistic(seen @ net["z"].T) - 2
        s, y = s.copy(), np.empty_like(s)
        for cell in range(hidden):
            s[:, cell] += y_in[:, cell // 2] * g[:, cell]
            y[:, cell] = y_out[:, cell // 2] * (2 * logistic(s[:, cell]) - 1)
        return y, np.concatenate([y, y_in, y_out], axis=1), s

    return unroll(step, x, hidden + 2 * blocks, hidden)


def lstm_2000_blocks(w: Weights, x: Array, hidden: int) -> Array:
    """Gers et al. 2000: s = y_forget s + y_in g(net_c), three gates for every two cells."""

    def step(x_t: Array, y: Array, s: Array) -> tuple[Array, ...]:
        y_in, y_forget, y_out = (logistic(affine(w, gate, x=x_t, h=y)) for gate in "ifo")
        g = 4 * logistic(product(w, "z", x=x_t, h=y)) - 2
        columns = []
        for cell in range(hidden):
            block = cell // 2
            columns.append(y_forget[:, block] * s[:, cell] + y_in[:, block] * g[:, cell])
        s = np.stack(columns, axis=1)
        y = np.stack([y_out[:, cell // 2] * (2 * logistic(s[:, cell]) - 1) for cell in range(hidden)], axis=1)
        return y, y, s

    return unroll(step, x, hidden, hidden)


def vanilla(
    w: Weights,
    x: Array,
    hidden: int,
    *,
    without: str = "",
    g: Callable[[Array], Array] = np.tanh,
    h: Callable[[Array], Array] = np.tanh,
    coupled: bool = False,
) -> Array:
    """Greff et al. 2017, section 2: the vanilla LSTM with peepholes, and its variants that take something away."""

    def gate(name: str, x_t: Array, y: Array, c: Array) -> Array:
        if name in without:
            return np.ones_like(c)
        return logistic(affine(w, name, x=x_t, h=y) + w[f"{name}_diagonal_c"] * c)

    def step(x_t: Array, y: Array, c: Array) -> tuple[Array, ...]:
        z = g(affine(w, "z", x=x_t, h=y))
        i = gate("i", x_t, y, c)
        f = 1 - i if coupled else gate("f", x_t, y, c)
        c = z * i + c * f
        y = h(c) * gate("o", x_t, y, c)
        return y, y, c

    return unroll(step, x, hidden, hidden)


def nig(w: Weights, x: Array, hidden: int) -> Array:
    return vanilla(w, x, hidden, without="i")


def nfg(w: Weights, x: Array, hidden: int) -> Array:
    return vanilla(w, x, hidden, without="f")


def nog(w: Weights, x: Array, hidden: int) -> Array:
    return vanilla(w, x, hidden, without="o")


def niaf(w: Weights, x: Array, hidden: int) -> Array:
    return vanilla(w, x, hidden, g=lambda u: u)


def noaf(w: Weights, x: Array, hidden: int) -> Array:
    return vanilla(w, x, hidden, h=lambda u: u)


def cifg_peephole(w: Weights, x: Array, hidden: int) -> Array:
    return vanilla(w, x, hidden, coupled=True)


def fgr(w: Weights, x: Array, hidden: int) -> Array:
    """Greff et al. 2017, FGR: nine matrices R_ki … from the gates of the step before, none of them seen by z."""

    def step(x_t: Array, y: Array, c: Array, i: Array, f: Array, o: Array) -> tuple[Array, ...]:
        z_bar = product(w, "z", x=x_t, h=y) + w["z_bias"]
        i_bar = product(w, "i", x=x_t, h=y, i_old=i, f_old=f, o_old=o) + w["i_diagonal_c"] * c + w["i_bias"]
        f_bar = product(w, "f", x=x_t, h=y, i_old=i, f_old=f, o_old=o) + w["f_diagonal_c"] * c + w["f_bias"]
        o_bar = product(w, "o", x=x_t, h=y, i_old=i, f_old=f, o_old=o) + w["o_bias"]
        i, f = logistic(i_bar), logistic(f_bar)
        c = np.tanh(z_bar) * i + c * f
        o = logistic(o_bar + w["o_diagonal_c"] * c)
        y = np.tanh(c) * o
        return y, y, c, i, f, o

    return unroll(step, x, *[hidden] * 5)


def peephole_old_cell(w: Weights, x: Array, hidden: int) -> Array:
    """The peephole LSTM with every gate at the old cell."""

    def step(x_t: Array, h: Array, c: Array) -> tuple[Array, ...]:
        i, f, o = (logistic(affine(w, gate, x=x_t, h=h) + c * w[f"{gate}_diagonal_c"]) for gate in "ifo")
        c = f * c + i * np.tanh(affine(w, "z", x=x_t, h=h))
        h = o * np.tanh(c)
        return h, h, c

    return unroll(step, x, hidden, hidden)


def capped_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """c = f c' + min(1 - f, i) j."""

    def step(x_t: Array, h: Array, c: Array) -> tuple[Array, ...]:
        f, i, o = (logistic(affine(w, gate, x=x_t, h=h)) for gate in "fio")
        j = np.tanh(affine(w, "z", x=x_t, h=h))
        c = f * c + np.where(i < 1 - f, i, 1 - f) * j
        h = o * np.tanh(c)
        return h, h, c

    return unroll(step, x, hidden, hidden)


def r_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Gu et al. 2020: g = r (1 - (1 - f)²) + (1 - r) f², c = g c' + (1 - g) c̃."""

    def step(x_t: Array, h: Array, c: Array) -> tuple[Array, ...]:
        f, r, o = (logistic(affine(w, gate, x=x_t, h=h)) for gate in "fro")
        g = r * (1 - (1 - f) ** 2) + (1 - r) * f**2
        c = g * c + (1 - g) * np.tanh(affine(w, "z", x=x_t, h=h))
        h = o * np.tanh(c)
        return h, h, c

    return unroll(step, x, hidden, hidden)


def layer_norm(a: Array, gain: Array) -> Array:
    """Ba et al. 2016: (a - mean)/√(variance + 1e-5), times a gain."""
    mean = a.mean(axis=-1, keepdims=True)
    variance = ((a - mean) ** 2).mean(axis=-1, keepdims=True)
    return gain * (a - mean) / np.sqrt(variance + 1e-5)


def layer_norm_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Ba et al. 2016, supplement: LN(W x; α₂) + LN(W h; α₁) + b, and h = σ(o) tanh(LN(c; α₃, β₃)); each gate apart."""

    def normalised(gate: str, x_t: Array, h: Array) -> Array:
        from_h = layer_norm(times(w[f"{gate}_weight_h"], h), w[f"{gate}_vector_2"])
        return from_h + layer_norm(times(w[f"{gate}_weight_x"], x_t), w[f"{gate}_vector"]) + w[f"{gate}_bias"]

    def step(x_t: Array, h: Array, c: Array) -> tuple[Array, ...]:
        f, i, o, g = (normalised(gate, x_t, h) for gate in "fioz")
        c = logistic(f) * c + logistic(i) * np.tanh(g)
        h = logistic(o) * np.tanh(layer_norm(c, w["h_vector"]) + w["h_bias"])
        return h, h, c

    return unroll(step, x, hidden, hidden)


def peephole_cell(w: Weights, x_t: Array, r: Array, c: Array) -> tuple[Array, Array]:
    """The new cell and its output gate, with peepholes at the old cell (i, f) and the new one (o)."""
    i = logistic(affine(w, "i", x=x_t, h=r) + w["i_diagonal_c"] * c)
    f = logistic(affine(w, "f", x=x_t, h=r) + w["f_diagonal_c"] * c)
    c = f * c + i * np.tanh(affine(w, "z", x=x_t, h=r))
    return c, logistic(affine(w, "o", x=x_t, h=r) + w["o_diagonal_c"] * c)


def lstmp(w: Weights, x: Array, hidden: int) -> Array:
    """Sak et al. 2014: m = o tanh(c), r = W_rm m, and r recurs."""

    def step(x_t: Array, r: Array, c: Array) -> tuple[Array, ...]:
        c, o = peephole_cell(w, x_t, r, c)
        r = times(w["h_weight_m"], o * np.tanh(c))
        return r, r, c

    return unroll(step, x, hidden, hidden)


def residual_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Kim et al. 2017: r = tanh(c), m = W_p r, h = o (m + W_h x)."""

    def step(x_t: Array, h: Array, c: Array) -> tuple[Array, ...]:
        c, o = peephole_cell(w, x_t, h, c)
        m = times(w["h_weight_tanh_c"], np.tanh(c))
        h = o * (m + times(w["h_weight_x"], x_t))
        return h, h, c

    return unroll(step, x, hidden, hidden)


def wmc_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Landi et al. 2021: gates see tanh(W_c c), c old for i and f, new for o."""

    def step(x_t: Array, h: Array, c: Array) -> tuple[Array, ...]:
        i, f = (logistic(affine(w, gate, x=x_t, h=h) + np.tanh(times(w[f"{gate}_weight_c"], c))) for gate in "if")
        c = f * c + i * np.tanh(affine(w, "z", x=x_t, h=h))
        o = logistic(affine(w, "o", x=x_t, h=h) + np.tanh(times(w["o_weight_c"], c)))
        h = o * np.tanh(c)
        return h, h, c

    return unroll(step, x, hidden, hidden)


def memory_controller_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """MC-LSTM: the control vector v = m tanh(c) recurs, h = o tanh(c) leaves."""

    def step(x_t: Array, v: Array, c: Array) -> tuple[Array, ...]:
        n = np.tanh(affine(w, "z", x=x_t, v=v))
        f, i, o, m = (logistic(affine(w, gate, x=x_t, v=v)) for gate in "fiom")
        c = f * c + i * n
        return o * np.tanh(c), m * np.tanh(c), c

    return unroll(step, x, hidden, hidden)


def multiplicative_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Krause et al. 2016: m = (W_mx x)(W_mh h) stands for h in an LSTM."""

    def step(x_t: Array, h: Array, c: Array) -> tuple[Array, ...]:
        m = times(w["m_weight_x"], x_t) * times(w["m_weight_h"], h)
        h_hat = affine(w, "z", x=x_t, m=m)
        i, o, f = (logistic(affine(w, gate, x=x_t, m=m)) for gate in "iof")
        c = f * c + i * np.tanh(h_hat)
        h = np.tanh(c) * o
        return h, h, c

    return unroll(step, x, hidden, hidden)


def mogrifier_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Melis et al. 2020, equations 1 and 2, five rounds: odd ones scale x by 2σ(Q h), even ones h by 2σ(R x)."""
    Q = {1: w["x1_weight_h"], 3: w["x3_weight_h2"], 5: w["x5_weight_h4"]}
    R = {2: w["h2_weight_x1"], 4: w["h4_weight_x3"]}

    def step(x_t: Array, h: Array, c: Array) -> tuple[Array, ...]:
        for turn in range(1, 6):
            if turn % 2:
                x_t = 2 * logistic(times(Q[turn], h)) * x_t
            else:
                h = 2 * logistic(times(R[turn], x_t)) * h
        f, i, o = (logistic(affine(w, gate, x5=x_t, h4=h)) for gate in "fio")
        j = np.tanh(affine(w, "z", x5=x_t, h4=h))
        c = f * c + i * j
        h = o * np.tanh(c)
        return h, h, c

    return unroll(step, x, hidden, hidden)


def e_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Irie et al. 2023: f = σ(F x + w_f c'), z = tanh(Z x + w_z c'), c = f c' + (1 - f) z, h = σ(O x + W c) c."""

    def step(x_t: Array, c: Array) -> tuple[Array, ...]:
        f = logistic(w["f_diagonal_c"] * c + affine(w, "f", x=x_t))
        z = np.tanh(w["z_diagonal_c"] * c + affine(w, "z", x=x_t))
        c = f * c + (1 - f) * z
        return logistic(affine(w, "o", x=x_t, c=c)) * c, c

    return unroll(step, x, hidden)


def slstm(w: Weights, x: Array, hidden: int) -> Array:
    """Beck et al. 2024, sLSTM without its stabiliser: c = f c' + i z, n = f n' + i, h = o c/n with i = exp(ĩ)."""
    square = {gate: w[f"{gate}_weight_h"] for gate in ("i_log", "f_log", "z", "o")}
    return _slstm(w, x, hidden, square)


def slstm_heads(w: Weights, x: Array, hidden: int) -> Array:
    """The same, R block-diagonal: unit k of a head sees the units of its head."""
    square = {}
    for gate in ("i_log", "f_log", "z", "o"):
        blocks = w[f"{gate}_weight_h"]
        square[gate] = np.zeros((hidden, hidden))
        size = hidden // len(blocks)
        for head, block in enumerate(blocks):
            square[gate][head * size : (head + 1) * size, head * size : (head + 1) * size] = block
    return _slstm(w, x, hidden, square)


def _slstm(w: Weights, x: Array, hidden: int, R: Mapping[str, Array]) -> Array:
    def step(x_t: Array, h: Array, c: Array, n: Array) -> tuple[Array, ...]:
        i_pre, f_pre, z_pre, o_pre = (
            times(w[f"{gate}_weight_x"], x_t) + times(R[gate], h) + w[f"{gate}_bias"]
            for gate in ("i_log", "f_log", "z", "o")
        )
        i, f = np.exp(i_pre), logistic(f_pre)
        c = f * c + i * np.tanh(z_pre)
        n = f * n + i
        h = logistic(o_pre) * (c / n)
        return h, h, c, n

    return unroll(step, x, hidden, hidden, hidden)


def cumax(a: Array) -> Array:
    """Cumulative sum of the softmax."""
    e = np.exp(a)
    return np.cumsum(e, axis=-1) / e.sum(axis=-1, keepdims=True)


def on_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Shen et al. 2019, section 4: master gates f̃, ĩ, their overlap ω, and f̂ = f ω + (f̃ - ω), î likewise."""

    def step(x_t: Array, h: Array, c: Array) -> tuple[Array, ...]:
        f, i, o = (logistic(affine(w, gate, x=x_t, h=h)) for gate in "fio")
        c_hat = np.tanh(affine(w, "z", x=x_t, h=h))
        f_tilde = cumax(affine(w, "f_master", x=x_t, h=h))
        i_tilde = 1 - cumax(affine(w, "i_master", x=x_t, h=h))
        omega = f_tilde * i_tilde
        c = (f * omega + f_tilde - omega) * c + (i * omega + i_tilde - omega) * c_hat
        h = o * np.tanh(c)
        return h, h, c

    return unroll(step, x, hidden, hidden)


def phased_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Neil et al. 2016: φ = ((t - s) mod τ)/τ; k rises to 1 at r/2, falls to 0 at r, and leaks αφ after; α = 0.001."""
    # the output gate's peephole is named after the cell before the time gate
    cell_weights = {**w, "o_diagonal_c": w["o_diagonal_c_open"]}
    tau = np.exp(w["tau_vector"])
    shift = tau * w["s_vector"]
    ratio = w["r_vector"]
    outputs = []
    h = c = np.zeros((x.shape[1], hidden))
    for time, x_t in enumerate(x, start=1):
        phi = np.mod(time - shift, tau) / tau
        k = np.where(phi < ratio / 2, 2 * phi / ratio, np.where(phi < ratio, 2 - 2 * phi / ratio, 0.001 * phi))
        c_tilde, o = peephole_cell(cell_weights, x_t, h, c)
        h = k * (o * np.tanh(c_tilde)) + (1 - k) * h
        c = k * c_tilde + (1 - k) * c
        outputs.append(h)
    return np.stack(outputs)


def nas(w: Weights, x: Array, hidden: int) -> Array:
    """Zoph & Le 2017, as TensorFlow's NASCell has it: x-side and h-side split into eight, the tree over them."""
    squash = [logistic, lambda u: np.maximum(u, 0), logistic, None, np.tanh, logistic, np.tanh, logistic]

    def step(x_t: Array, m: Array, c: Array) -> tuple[Array, ...]:
        first = []
        for leaf, activation in enumerate(squash):
            inputs = times(w[f"a{leaf}_weight_x"], x_t)
            memory = times(w[f"a{leaf}_weight_h"], m) + w[f"a{leaf}_bias"]
            first.append(np.maximum(inputs * memory, 0) if activation is None else activation(inputs + memory))
        second = [np.tanh(first[0] * first[1]), np.tanh(first[2] + first[3])]
        second += [np.tanh(first[4] * first[5]), logistic(first[6] + first[7])]
        c = np.tanh(second[0] + c) * second[1]
        m = np.tanh(c * np.tanh(second[2] + second[3]))
        return m, m, c

    return unroll(step, x, hidden, hidden)


def nested_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Moniz & Krueger 2018: the cell c is the output of an inner LSTM with x̃ = i g and h̃ = f c'."""

    def step(x_t: Array, h: Array, c: Array, c_tilde: Array) -> tuple[Array, ...]:
        i, f, o = (logistic(affine(w, gate, x=x_t, h=h)) for gate in "ifo")
        x_tilde = i * np.tanh(affine(w, "z", x=x_t, h=h))
        h_tilde = f * c
        inner = {gate: affine(w, f"{gate}_inner", x_inner=x_tilde, h_inner=h_tilde) for gate in "ifzo"}
        c_tilde = logistic(inner["f"]) * c_tilde + logistic(inner["i"]) * np.tanh(inner["z"])
        c = logistic(inner["o"]) * np.tanh(c_tilde)
        h = o * np.tanh(c)
        return h, h, c, c_tilde

    return unroll(step, x, hidden, hidden, hidden)


def rwa(w: Weights, x: Array, hidden: int) -> Array:
    """Ostmeyer & Cowell 2017: h = tanh(Σ z eᵃ / Σ eᵃ) over all steps so far, z = u tanh(g), without rescaling."""
    h = np.zeros((x.shape[1], hidden))
    values, weights, outputs = [], [], []
    for x_t in x:
        values.append(affine(w, "u", x=x_t) * np.tanh(affine(w, "g", x=x_t, h=h)))
        weights.append(np.exp(product(w, "a", x=x_t, h=h)))
        h = np.tanh(np.average(np.stack(values), axis=0, weights=np.stack(weights)))
        outputs.append(h)
    return np.stack(outputs)


def mi_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Wu et al. 2016: every pre-activation is α (W x)(U h) + β₁ U h + β₂ W x + b."""

    def integrated(gate: str, x_t: Array, h: Array) -> Array:
        alpha, beta_1, beta_2 = w[f"{gate}_vector"], w[f"{gate}_vector_2"], w[f"{gate}_vector_3"]
        Wx, Uh = times(w[f"{gate}_x_weight_x"], x_t), times(w[f"{gate}_h_weight_h"], h)
        return alpha * Wx * Uh + beta_1 * Uh + beta_2 * Wx + w[f"{gate}_bias"]

    def step(x_t: Array, h: Array, c: Array) -> tuple[Array, ...]:
        z = np.tanh(integrated("z", x_t, h))
        i, f, o = (logistic(integrated(gate, x_t, h)) for gate in "ifo")
        c = i * z + f * c
        h = o * np.tanh(c)
        return h, h, c

    return unroll(step, x, hidden, hidden)


def t_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Balduzzi & Ghifary 2016: gates of x and x'; c = f c' + (1 - f) z, h = c tanh(o)."""
    c = np.zeros((x.shape[1], hidden))
    x_before = np.concatenate([np.zeros_like(x[:1]), x[:-1]])
    outputs = []
    for x_t, x_old in zip(x, x_before, strict=True):
        z, f, o = (
            times(w[f"{gate}_weight_x_old"], x_old) + times(w[f"{gate}_weight_x"], x_t) + w[f"{gate}_bias"]
            for gate in "zfo"
        )
        c = logistic(f) * c + (1 - logistic(f)) * z
        outputs.append(c * np.tanh(o))
    return np.stack(outputs)


def plain(gate_of: Callable[[str, Array, Array], Array], x: Array, hidden: int) -> Array:
    """The LSTM of Gers et al. 2000 with given pre-activations: (gate, x_t, h) -> (batch, hidden)."""

    def step(x_t: Array, h: Array, c: Array) -> tuple[Array, ...]:
        i, f, o = (logistic(gate_of(gate, x_t, h)) for gate in "ifo")
        c = f * c + i * np.tanh(gate_of("z", x_t, h))
        h = o * np.tanh(c)
        return h, h, c

    return unroll(step, x, hidden, hidden)


def group_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """Kuchaiev & Ginsburg 2017: two LSTMs side by side, each on its half of x and of h."""
    x_half, h_half = x.shape[2] // 2, hidden // 2
    halves = []
    for group in range(2):

        def gate_of(gate: str, x_t: Array, h: Array, group: int = group) -> Array:
            bias = w[f"{gate}_bias"][group * h_half : (group + 1) * h_half]
            return x_t @ w[f"{gate}_weight_x"][group].T + h @ w[f"{gate}_weight_h"][group].T + bias

        halves.append(plain(gate_of, x[:, :, group * x_half : (group + 1) * x_half], h_half))
    return np.concatenate(halves, axis=2)


def low_rank_lstm(w: Weights, x: Array, hidden: int) -> Array:
    """U = U₁ U₂ in every gate."""

    def gate_of(gate: str, x_t: Array, h: Array) -> Array:
        U = w[f"{gate}_weight_h_left"] @ w[f"{gate}_weight_h_right"]
        return affine(w, gate, x=x_t) + times(U, h)

    return plain(gate_of, x, hidden)


def slim(gate: Callable[[Weights, str, Array], Array]) -> Callable[[Weights, Array, int], Array]:
    """An LSTM whose gates are (weights, gate, h) -> pre-activation and whose cell input sees x and h."""

    def transcription(w: Weights, x: Array, hidden: int) -> Array:
        def gate_of(name: str, x_t: Array, h: Array) -> Array:
            return affine(w, "z", x=x_t, h=h) if name == "z" else np.broadcast_to(gate(w, name, h), h.shape)

        return plain(gate_of, x, hidden)

    return transcription


TRANSCRIPTIONS: dict[str, Callable[[Weights, Array, int], Array]] = {
    "capped_lstm": capped_lstm,
    "cifg_peephole": cifg_peephole,
    "e_lstm": e_lstm,
    "fgr": fgr,
    "group_lstm": group_lstm,
    "layer_norm_lstm": layer_norm_lstm,
    "low_rank_lstm": low_rank_lstm,
    "lstm_1997": lstm_1997,
    "lstm_1997_blocks": lstm_1997_blocks,
    "lstm_1997_full": lstm_1997_full,
    "lstm_2000_blocks": lstm_2000_blocks,
    "lstmp": lstmp,
    "memory_controller_lstm": memory_controller_lstm,
    "mi_lstm": mi_lstm,
    "mogrifier_lstm": mogrifier_lstm,
    "multiplicative_lstm": multiplicative_lstm,
    "nas": nas,
    "nested_lstm": nested_lstm,
    "nfg": nfg,
    "niaf": niaf,
    "nig": nig,
    "noaf": noaf,
    "nog": nog,
    "on_lstm": on_lstm,
    "peephole_old_cell": peephole_old_cell,
    "phased_lstm": phased_lstm,
    "r_lstm": r_lstm,
    "residual_lstm": residual_lstm,
    "rwa": rwa,
    # Lu & Salem 2017 (1 to 3) and Akandeh & Salem 2017 (4 and 5)
    "slim_lstm_1": slim(lambda w, gate, h: times(w[f"{gate}_weight_h"], h) + w[f"{gate}_bias"]),
    "slim_lstm_2": slim(lambda w, gate, h: times(w[f"{gate}_weight_h"], h)),
    "slim_lstm_3": slim(lambda w, gate, h: w[f"{gate}_bias"]),
    "slim_lstm_4": slim(lambda w, gate, h: w[f"{gate}_diagonal_h"] * h),
    "slim_lstm_5": slim(lambda w, gate, h: w[f"{gate}_diagonal_h"] * h + w[f"{gate}_bias"]),
    "slstm": slstm,
    "slstm_heads": slstm_heads,
    "t_lstm": t_lstm,
    "wmc_lstm": wmc_lstm,
}
"""Variant name -> (weights, x of (time, batch, input), hidden size) -> outputs of (time, batch, hidden)."""
