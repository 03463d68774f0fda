"""How other libraries lay out the weights of a cell: gate orders, transposes, biases and signs, in one table.

A :class:`CellLayout` names the tensors of a cell and says which gates stand in each, in their order, by the letters of
our equations: i, f, z, o of an LSTM (z is the candidate, which many call g or c); r, u, n of a GRU (u keeps the old
state). Each was measured against the library; tests/exchange has the values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gatelab.language import Variant, load_variant

__all__ = ["JAX", "KERAS", "CellLayout", "Part"]

Role = Literal["x", "h", "xh", "bias", "second"]


@dataclass(frozen=True)
class Part:
    """One tensor of a cell.

    Attributes:
        path: its name below the cell.
        role: the matrix that meets x, h, or both one after the other ("xh"); the bias; or a second bias, of the product
            with h, which is summed with the first where the equation has one.
        gates: whose blocks stand in it, side by side.
        needed: whether a cell without it is another kind of cell; matrices always are.
    """

    path: str
    role: Role
    gates: str
    needed: bool = False

    @property
    def is_matrix(self) -> bool:
        """Whether it is a matrix, not a bias."""
        return self.role in ("x", "h", "xh")


@dataclass(frozen=True)
class CellLayout:
    """The weights of one kind of cell.

    Attributes:
        cell: what the library calls it.
        variant: the equations: a name of the catalogue, or the content of a variant file.
        parts: its tensors.
        by_rows: a matrix is (gates × hidden, source), as in torch; otherwise (source, gates × hidden).
        negated: gates whose weights change sign: z that admits is a sigmoid, and 1 − σ(a) = σ(−a).
        added: gate -> number that the library adds to its bias.
        within: how the name of the cell begins, where the names below it are those of other layers too.
    """

    cell: str
    variant: str | Mapping[str, Any]
    parts: tuple[Part, ...]
    by_rows: bool = False
    negated: str = ""
    added: Mapping[str, float] = field(default_factory=dict)
    within: str = ""

    def equations(self) -> Variant:
        """Return the variant."""
        if isinstance(self.variant, str):
            return load_variant(self.variant)
        return Variant.from_mapping(self.variant, self.cell)


def _each(inputs: str, hidden: str, gates: str, biases: str) -> tuple[Part, ...]:
    """Return parts of cells with a small layer for each gate: ``ii/kernel``, ``hi/kernel``, ``hi/bias``.

    ``inputs`` and ``hidden`` are the names of the layers, as words, for ``gates``; ``biases`` says for each whether its
    bias stands at the input ("x"), at the hidden state ("h"), or is two ("2").
    """
    parts: list[Part] = []
    for of_x, of_h, gate, place in zip(inputs.split(), hidden.split(), gates, biases, strict=True):
        parts += [Part(f"{of_x}/kernel", "x", gate), Part(f"{of_h}/kernel", "h", gate)]
        if place in "x2":
            parts.append(Part(f"{of_x}/bias", "bias", gate))
        if place in "h2":
            parts.append(Part(f"{of_h}/bias", "bias" if place == "h" else "second", gate, needed=place == "2"))
    return tuple(parts)


def _two(of_x: str, of_h: str, gates: str, *biases: Part) -> tuple[Part, ...]:
    """Return parts of cells with one matrix for x and one for h."""
    return Part(of_x, "x", gates), Part(of_h, "h", gates), *biases


def _mgu(cell: str, candidate: str) -> dict[str, Any]:
    return {
        "name": "mgu_keep",
        "source": f"{cell}; Zhou et al. 2016, arXiv 1603.09420, whose gate is the complement",
        "state": ["h"],
        "equations": {"f": "sigmoid(linear(x, h))", "n": candidate, "h": "(1 - f)*n + f*h"},
        "roles": {"retain": "f"},
    }


def _relu_rnn(cell: str) -> dict[str, Any]:
    return {"name": "elman_relu", "source": cell, "state": ["h"], "equations": {"h": "relu(linear(x, h))"}}


JAX: tuple[CellLayout, ...] = (
    CellLayout("flax.linen.LSTMCell", "lstm", _each("ii if ig io", "hi hf hg ho", "ifzo", "hhhh")),
    CellLayout("flax.nnx.LSTMCell", "lstm", _each("ii if_ ig io", "hi hf hg ho", "ifzo", "hhhh")),
    CellLayout("flax.linen.GRUCell", "gru", _each("ir iz in", "hr hz hn", "run", "xx2")),
    CellLayout("flax.linen.MGUCell", _mgu("flax.linen.MGUCell", "tanh(linear(x) + f*linear(h))"),
           _each("if in", "hf hn", "fn", "x2")),
    CellLayout("flax.linen.MGUCell without reset gate", _mgu("flax.linen.MGUCell", "tanh(linear(x, h))"),
           _each("if in", "hf hn", "fn", "xx")),
    CellLayout("flax.linen.SimpleCell", "elman", _each("i", "h", "h", "x")),
    CellLayout("flax.nnx.OptimizedLSTMCell", "lstm",
           _two("dense_i/kernel", "dense_h/kernel", "ifzo", Part("dense_h/bias", "bias", "ifzo"))),
    # nnx's documentation has a bias b_hn in the candidate; its code has none
    CellLayout("flax.nnx.GRUCell", "gru",
           _two("dense_i/kernel", "dense_h/kernel", "run", Part("dense_i/bias", "bias", "run"))),
    CellLayout("flax.nnx.SimpleCell", "elman",
           _two("dense_i/kernel", "dense_h/kernel", "h", Part("dense_i/bias", "bias", "h"))),
    CellLayout("equinox.nn.LSTMCell", "lstm",
           _two("weight_ih", "weight_hh", "ifzo", Part("bias", "bias", "ifzo")), by_rows=True),
    CellLayout("equinox.nn.GRUCell", "gru",
           _two("weight_ih", "weight_hh", "run", Part("bias", "bias", "run"), Part("bias_n", "second", "n")),
           by_rows=True),
    CellLayout("haiku.LSTM", "lstm", (Part("linear/w", "xh", "izfo"), Part("linear/b", "bias", "izfo", needed=True)),
           added={"f": 1.0}, within="lstm"),
    # haiku's z lets new content in: h = (1 - z) h' + z a
    CellLayout("haiku.GRU", "gru_v3", _two("w_i", "w_h", "urn", Part("b", "bias", "urn", needed=True)), negated="u"),
    CellLayout("haiku.VanillaRNN", _relu_rnn("haiku.VanillaRNN"),
           _two("linear/w", "linear_1/w", "h", Part("linear/b", "bias", "h"), Part("linear_1/b", "second", "h")),
           within="vanilla_rnn"),
)  # fmt: skip
"""Cells of Flax (linen and nnx), Equinox and Haiku, by the names of their parameters."""

KERAS: dict[str, CellLayout] = {
    "LSTM": CellLayout("keras.layers.LSTM", "lstm", _two("0", "1", "ifzo", Part("2", "bias", "ifzo"))),
    "GRU": CellLayout("keras.layers.GRU", "gru",
                  _two("0", "1", "urn", Part("2/0", "bias", "urn"), Part("2/1", "second", "urn"))),
    "GRU reset before": CellLayout("keras.layers.GRU with reset_after=False", "gru_v3",
                               _two("0", "1", "urn", Part("2", "bias", "urn"))),
    "SimpleRNN": CellLayout("keras.layers.SimpleRNN", "elman", _two("0", "1", "h", Part("2", "bias", "h"))),
}  # fmt: skip
"""Layers of Keras 3; their variables have numbers: kernel, recurrent kernel, bias (of a GRU perhaps of two rows)."""
