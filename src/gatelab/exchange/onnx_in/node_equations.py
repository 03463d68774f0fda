"""The variant of a node: what the file computes, as equations."""

from collections.abc import Callable, Mapping

from gatelab.exchange.onnx_in.activations import Activation, number
from gatelab.exchange.onnx_in.node_settings import NodeSettings
from gatelab.language import Variant, load_variant
from gatelab.language.biases import without_biases

__all__ = ["node_variant"]

_KNOWN = {"LSTM": ("lstm", "peephole"), "GRU": ("gru", "gru_v3"), "RNN": ("elman",)}
"""Variants of the catalogue that a node may be."""
_STATES = {"LSTM": ["h", "c"], "GRU": ["h"], "RNN": ["h"]}
_ROLES = {"LSTM": {"retain": "f", "write": "i", "expose": "o"}, "GRU": {"retain": "u", "reset": "r"}, "RNN": {}}

Write = Callable[[str, Activation, str], Mapping[str, str]]


def node_variant(
    settings: NodeSettings, activations: tuple[Activation, ...], dtype: str, *, biased: bool, peepholes: bool
) -> Variant:
    """Return the variant of a node, or of one of its directions; one of the catalogue where it is the same.

    Args:
        settings: of the node.
        activations: of the direction.
        dtype: of the weights.
        biased: whether there is B.
        peepholes: whether there is P.
    """
    linear = "linear" if biased else "project"

    def written(target: str, activation: Activation, sources: str) -> Mapping[str, str]:
        """Return the equation of a gate, whose clipped pre-activation is a sum of ``sources``."""
        pre = sources.replace("linear", linear)
        if settings.clip is not None:
            limit = number(settings.clip, dtype)
            pre = f"min(max({pre}, -{limit}), {limit})"
        return activation.equations(target, pre, dtype)

    match settings.operator:
        case "LSTM":
            equations = _lstm(settings, activations, dtype, written, peepholes=peepholes)
        case "GRU":
            equations = _gru(settings, activations, written)
        case _:
            equations = dict(written("h", activations[0], "linear(x, h)"))
    operator = settings.operator
    variant = Variant.from_mapping(
        {
            "name": f"onnx_{operator.lower()}",
            "source": f"{operator} node of an ONNX file",
            "state": _STATES[operator],
            "equations": equations,
            "roles": {role: gate for role, gate in _ROLES[operator].items() if gate in equations},
        },
        f"{operator} node",
    )
    known = map(load_variant, _KNOWN[operator])
    return next((one for one in (known if biased else map(without_biases, known)) if _computes(one, variant)), variant)


def _lstm(
    settings: NodeSettings, activations: tuple[Activation, ...], dtype: str, written: Write, *, peepholes: bool
) -> dict[str, str]:
    gate, candidate, shown = activations
    sources = "linear(x, h) + diag(c)" if peepholes else "linear(x, h)"
    forget = {"f": "1 - i"} if settings.input_forget else written("f", gate, sources)
    write = {**written("i", gate, sources), **forget, **written("z", candidate, "linear(x, h)")}
    cell, out = {"c": "f*c + i*z"}, written("o", gate, sources)
    # with peepholes o sees the new cell
    rest = {**cell, **out} if peepholes else {**out, **cell}
    *before, value = shown.equations("h", "c", dtype).items()
    name, text = value
    return {**write, **rest, **dict(before), name: f"o*({text})"}


def _gru(settings: NodeSettings, activations: tuple[Activation, ...], written: Write) -> dict[str, str]:
    gate, candidate = activations
    sources = "linear(x) + r*linear(h)" if settings.linear_before_reset else "linear(x, r*h)"
    # the order of a sum is that of the variant that is the same in the catalogue
    shown = "(1 - u)*n + u*h" if settings.linear_before_reset else "u*h + (1 - u)*n"
    return {
        **written("r", gate, "linear(x, h)"),
        **written("u", gate, "linear(x, h)"),
        **written("n", candidate, sources),
        "h": shown,
    }


def _computes(one: Variant, other: Variant) -> bool:
    """Return whether two variants have the same states and equations in the same order."""
    mine, theirs = ((v.states, tuple(v.equations.items()), v.output) for v in (one, other))
    return mine == theirs
