"""Calls of variants by their sizes alone: to see what kernels they get."""

import torch

from gatelab.compiler import parameter_shapes, program
from gatelab.language import load_variant
from gatelab.layers.structured_weights import whole_weights
from gatelab.paths.call import Call

__all__ = ["call_of"]


def call_of(name: str, hidden: int, dtype: torch.dtype, inputs: int = 32) -> Call:
    """Return a call of a variant on tensors that hold nothing."""
    variant = load_variant(name)
    inputs = hidden if variant.needs_equal_sizes else inputs
    weights = {key: torch.zeros(shape, dtype=dtype) for key, shape in parameter_shapes(variant, inputs, hidden).items()}
    sizes = {"input": inputs, "hidden": hidden}
    states = {state: torch.zeros(1, sizes[variant.sizes[state]], dtype=dtype) for state in variant.states}
    x = torch.zeros(1, 1, inputs, dtype=dtype)
    return Call(program(variant), whole_weights(variant, weights), x, states, hidden)
