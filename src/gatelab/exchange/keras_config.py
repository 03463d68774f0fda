"""What config.json of a Keras model says of its recurrent layers, read as data: no class of it is looked up."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gatelab.errors import UserError, one_line, suggest
from gatelab.language import Variant

__all__ = ["ACTIVATIONS", "Settings", "layers_in", "settings_of", "with_activations"]

ACTIVATIONS = {
    "tanh": "tanh({})",
    "sigmoid": "sigmoid({})",
    "relu": "relu({})",
    "linear": "{}",
    "hard_sigmoid": "hard_sigmoid({})",
    "hard_tanh": "hard_tanh({})",
    "softplus": "softplus({})",
    "silu": "silu({})",
    "swish": "silu({})",
    "exponential": "exp({})",
    "log_sigmoid": "log_sigmoid({})",
}
"""Activations of Keras -> the same function in our equations. hard_sigmoid is that of Keras 3, with a slope of 1/6."""

_KINDS = ("LSTM", "GRU", "SimpleRNN")
_CELL = "Cell"
_MODULES = ("keras.layers", "keras.src.layers")
_DEEPEST = 100


@dataclass(frozen=True)
class Settings:
    """What decides the equations of a layer.

    Attributes:
        kind: "LSTM", "GRU" or "SimpleRNN".
        gates, squashing: names of activations.
        reset_after: of a GRU.
        backwards: whether it reads the sequence from its end.
    """

    kind: str
    gates: str = "sigmoid"
    squashing: str = "tanh"
    reset_after: bool = True
    backwards: bool = False


def layers_in(config: Any) -> dict[str, list[Mapping[str, Any]]]:
    """Return name -> descriptions of all layers of a configuration, of models within models too."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in _described(config, 0):
        name = one["config"].get("name")
        if isinstance(name, str):
            found.setdefault(name, []).append(one)
    return found


def _described(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    if depth > _DEEPEST:  # json_text has refused it already
        return
    if isinstance(value, Mapping):
        if isinstance(value.get("class_name"), str) and isinstance(value.get("config"), Mapping):
            yield value
        for below in value.values():
            yield from _described(below, depth + 1)
    elif isinstance(value, list):
        for below in value:
            yield from _described(below, depth + 1)


def settings_of(layer: Mapping[str, Any], cell: str, named: str) -> Settings:
    """Return the settings of a layer: an LSTM, GRU or SimpleRNN, or an RNN of such a cell.

    Args:
        layer: its description.
        cell: the name of the cell, for one of several.
        named: the layer in errors.

    Raises:
        UserError: a class or an activation that is none of Keras's own, or has no equations here.
    """
    outer = layer["config"]
    if layer["class_name"] == "RNN":
        cells = [one for one in _described(outer.get("cell"), 0) if one["class_name"].endswith(_CELL)]
        layer = next((one for one in cells if one["config"].get("name") == cell), cells[0] if cells else layer)
    kind = layer["class_name"].removesuffix(_CELL)
    if kind not in _KINDS or not str(layer.get("module")).startswith(_MODULES):
        shown = f"{one_line(layer.get('module'))}.{one_line(layer['class_name'])}"
        raise UserError(f"{named}: class {shown}: must be one of Keras's own {', '.join(_KINDS)}")
    inner = layer["config"]
    return Settings(
        kind,
        _activation(inner, "recurrent_activation", "sigmoid", named),
        _activation(inner, "activation", "tanh", named),
        inner.get("reset_after") is not False,
        outer.get("go_backwards") is True,
    )


def _activation(config: Mapping[str, Any], key: str, usual: str, named: str) -> str:
    value = config.get(key, usual)
    value = "linear" if value is None else value
    if not isinstance(value, str) or value not in ACTIVATIONS:
        hint = suggest(value, ACTIVATIONS) if isinstance(value, str) else ""
        raise UserError(f"{named}: {key}={one_line(value)}: has no equations here{hint}; known are "
                        f"{', '.join(ACTIVATIONS)}")  # fmt: skip
    return value


def with_activations(variant: Variant, settings: Settings) -> Variant:
    """Return a variant whose sigmoids and tanhs are the activations of a layer."""
    chosen = {"sigmoid": settings.gates, "tanh": settings.squashing}
    others = [name for usual, name in chosen.items() if name != usual and any(
        f"{usual}(" in text for text in variant.equations.values())]  # fmt: skip
    if not others:
        return variant
    texts = {name: _replaced(text, chosen) for name, text in variant.equations.items()}
    return variant.edit("_".join([variant.name, *others]), **texts)


def _replaced(text: str, chosen: Mapping[str, str]) -> str:
    """Return an equation with other functions; those of the variants here stand around a whole sum or a state."""
    for usual, name in chosen.items():
        before, called, rest = text.partition(f"{usual}(")
        if called:
            inside, _, after = rest.rpartition(")")
            text = before + ACTIVATIONS[name].format(f"({inside})") + after
            break  # an equation has one of the two
    return text
