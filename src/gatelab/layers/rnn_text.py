"""The text that print() shows for an RNN: its equations, sizes and options."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatelab.layers.rnn import RNN

__all__ = ["description"]

_OPTIONS = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
"""Option -> its default, which is left out."""


def description(rnn: "RNN") -> str:
    """Return the name, the sizes and the options on one line, and the equations below it."""
    options = [f"{name}={getattr(rnn, name)}" for name, usual in _OPTIONS.items() if getattr(rnn, name) != usual]
    options += [f"opening={rnn.opening.name}"] if rnn.opening is not None else []
    sizes = f"input_size={rnn.input_size}, hidden_size={rnn.hidden_size}"
    count = f"{sum(parameter.numel() for parameter in rnn.parameters()):,} parameters"
    head = ", ".join([rnn.variant.name, sizes, *options, count])
    return "\n".join([head, *(f"  {line}" for line in rnn.variant.plain().splitlines())])
