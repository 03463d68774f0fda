"""What is known, without a tensor library, of foreign variants: shapes, costs, and the text of a paper.

A memory that is a matrix or a stack cannot be written as equations between vectors. Such a variant is *foreign*: its
step is a class of :mod:`gatelab.layers.foreign`, which its file names under the key ``module``. Everything else that
equations would say stands here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gatelab.errors import UserError, one_line, suggest
from gatelab.language.parsing import LearnedTensor

__all__ = ["FOREIGN", "ForeignVariant", "head_count", "known_foreign"]


@dataclass(frozen=True)
class ForeignVariant:
    """The facts of one foreign variant.

    Attributes:
        state_sizes: hidden_size -> length of each state, by name, in the order in which a file lists them.
        gates: name -> least and greatest value, of what a step can record; roles name these.
        parameters: every learned tensor.
        shapes: (input_size, hidden_size) -> shape of each parameter.
        multiply_adds: (input_size, hidden_size) -> multiply-adds of one step, counted as
            :func:`gatelab.compiler.multiply_adds` says; of a matrix that is a state, one for each entry that a step
            decays, writes or reads.
        dependent_products: as :func:`gatelab.compiler.dependent_products`.
        step_values: hidden_size -> numbers that one step of one sequence keeps for the backward pass.
        plain, latex: left and right side of each line, as a paper would print it.
    """

    state_sizes: Callable[[int], dict[str, int]]
    gates: Mapping[str, tuple[float, float]]
    parameters: tuple[LearnedTensor, ...]
    shapes: Callable[[int, int], dict[str, tuple[int, ...]]]
    multiply_adds: Callable[[int, int], int]
    dependent_products: int
    step_values: Callable[[int], int]
    plain: tuple[tuple[str, str], ...]
    latex: tuple[tuple[str, str], ...]

    @property
    def states(self) -> tuple[str, ...]:
        """The names that are carried from step to step, in the order in which a file lists them."""
        return tuple(self.state_sizes(1))


def known_foreign(name: object, where: str) -> ForeignVariant:
    """Return the facts of a foreign variant.

    Raises:
        UserError: the name is not in the list; ``where`` begins the message.
    """
    if not isinstance(name, str) or name not in FOREIGN:
        raise UserError(
            f"{where}: module={one_line(name)} is no foreign variant{suggest(str(name), FOREIGN)}; "
            f"allowed: {', '.join(FOREIGN)}"
        )
    return FOREIGN[name]


def head_count(hidden_size: int) -> int:
    """Return the heads of an mLSTM: 4 if they divide the hidden size, otherwise 1."""
    return 1 if hidden_size % 4 else 4


_HEAD_GATES, _VECTORS = ("i", "f"), ("q", "k", "v", "o")


def _mlstm_shapes(input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
    """A gate of a head is one number, everything else a vector of hidden size."""
    rows = {**dict.fromkeys(_HEAD_GATES, head_count(hidden_size)), **dict.fromkeys(_VECTORS, hidden_size)}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, count in rows.items():
        shapes |= {f"{name}_weight_x": (count, input_size), f"{name}_bias": (count,)}
    return shapes


def _mlstm_state_sizes(hidden_size: int) -> dict[str, int]:
    """With d the size of a head: C is (hidden × d) numbers, n (hidden,), m one number for each head."""
    heads = head_count(hidden_size)
    return {"C": hidden_size * (hidden_size // heads), "n": hidden_size, "m": heads}


def _mlstm_multiply_adds(input_size: int, hidden_size: int) -> int:
    learned = (4 * hidden_size + 2 * head_count(hidden_size)) * input_size
    # every entry of C is decayed, written and read
    return learned + 3 * _mlstm_state_sizes(hidden_size)["C"]


def _mlstm_step_values(hidden_size: int) -> int:
    # C before and after the step, and some thirty vectors
    return 2 * _mlstm_state_sizes(hidden_size)["C"] + 30 * hidden_size


FOREIGN: dict[str, ForeignVariant] = {
    "mlstm": ForeignVariant(
        state_sizes=_mlstm_state_sizes,
        gates={"i": (0.0, 1.0), "f": (0.0, 1.0), "o": (0.0, 1.0)},
        parameters=tuple(
            parameter
            for name in (*_HEAD_GATES, *_VECTORS)
            for parameter in (
                LearnedTensor(f"{name}_weight_x", name, "weight", None, "x"),
                LearnedTensor(f"{name}_bias", name, "bias", None, None),
            )
        ),
        shapes=_mlstm_shapes,
        multiply_adds=_mlstm_multiply_adds,
        # the learned matrices see x alone; what is left to the step is C q
        dependent_products=1,
        step_values=_mlstm_step_values,
        plain=(
            ("i_log_t", "W_ix x_t + b_i"),
            ("f_log_t", "log_sigmoid(W_fx x_t + b_f)"),
            ("q_t", "W_qx x_t + b_q"),
            ("k_t", "W_kx x_t / sqrt(d) + b_k"),
            ("v_t", "W_vx x_t + b_v"),
            ("o_t", "σ(W_ox x_t + b_o)"),
            ("m_t", "max(f_log_t + m_{t-1}, i_log_t)"),
            ("i_t", "exp(i_log_t - m_t)"),
            ("f_t", "exp(f_log_t + m_{t-1} - m_t)"),
            ("C_t", "f_t C_{t-1} + i_t v_t k_t^T"),
            ("n_t", "f_t n_{t-1} + i_t k_t"),
            ("h_t", "o_t ⊙ C_t q_t / max(abs(n_t^T q_t), exp(-m_t))"),
        ),
        latex=(
            (r"\mathrm{i\_log}_t", "W_{ix} x_t + b_i"),
            (r"\mathrm{f\_log}_t", r"\log \sigma(W_{fx} x_t + b_f)"),
            ("q_t", "W_{qx} x_t + b_q"),
            ("k_t", r"\frac{1}{\sqrt{d}} W_{kx} x_t + b_k"),
            ("v_t", "W_{vx} x_t + b_v"),
            ("o_t", r"\sigma(W_{ox} x_t + b_o)"),
            ("m_t", r"\max(\mathrm{f\_log}_t + m_{t-1}, \mathrm{i\_log}_t)"),
            ("i_t", r"\exp(\mathrm{i\_log}_t - m_t)"),
            ("f_t", r"\exp(\mathrm{f\_log}_t + m_{t-1} - m_t)"),
            ("C_t", r"f_t C_{t-1} + i_t v_t k_t^\top"),
            ("n_t", "f_t n_{t-1} + i_t k_t"),
            ("h_t", r"o_t \odot \frac{C_t q_t}{\max(|n_t^\top q_t|, \exp(-m_t))}"),
        ),
    ),
}
"""Foreign variant -> its facts: the names that a variant file may give as ``module``."""
