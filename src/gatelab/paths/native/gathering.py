"""The tensors that compiled code takes for a call, in its order, and what they stand for."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gatelab.compiler import Program
from gatelab.compiler.adjoint import plan
from gatelab.language.sizes import columns_beside, width_of_x
from gatelab.paths.call import Call
from gatelab.paths.native.constants import constants_of
from gatelab.paths.native.layout import BESIDE_PADDING
from gatelab.paths.native.places import beside_in_memory
from gatelab.paths.native.specification import Specification

__all__ = ["gathered"]


def gathered(call: Call) -> tuple[Specification, tuple[Tensor, ...]]:
    """Return what runs, and its tensors: inputs, states, weights of the affine maps, their biases, constants.

    If the variant reads something beside x, that is the last of them, and the inputs are x alone.
    """
    program, weights, states = call.program, call.weights, call.states
    inputs, beside = _apart(program, call.inputs, call.hidden_size)
    runs, batch = inputs.shape[:-3], inputs.shape[-2]
    names, recorded = tuple(states), call.record
    ways = plan(program, recorded)
    maps = ways.stages.maps
    once = [*ways.constants, *(index for one in maps for index in one.constants)]
    known = constants_of(program, once, weights, inputs, call.hidden_size) if once else {}
    biases = [_bias(one.biases, one.constants, weights, known) for one in maps]
    tensors = (
        inputs,
        *[_of_batch(states[name], (*runs, batch)) for name in names],
        *[weights[weight] for one in maps for weight in one.weights],
        *[bias for bias in biases if bias is not None],
        *[known[index][0] for index in ways.constants],
        *beside,
    )
    form = Specification(
        program,
        recorded,
        call.hidden_size,
        names,
        tuple([(index, known[index][1]) for index in ways.constants]),
        tuple([bias is not None for bias in biases]),
    )
    return form, tensors


def _apart(program: Program, inputs: Tensor, hidden_size: int) -> tuple[Tensor, list[Tensor]]:
    """Return x, and as one tensor what the variant reads beside it, with numbers behind it that nothing uses."""
    names = program.variant.beside
    if not names:
        return inputs, []
    width = width_of_x(names, inputs.shape[-1], hidden_size)
    sizes = [columns_beside([one], width, hidden_size) for one in names]
    parts = dict(zip(names, inputs.detach()[..., width:].split(sizes, -1), strict=True))
    ordered = [parts[name] for name in beside_in_memory(names)]
    padding = inputs.new_zeros((*inputs.shape[:-1], BESIDE_PADDING))
    return inputs[..., :width], [torch.cat([*ordered, padding], -1)]


def _of_batch(state: Tensor, batch: tuple[int, ...]) -> Tensor:
    return state if state.shape[:-1] == batch else state.expand(*batch, state.shape[-1])


def _bias(
    names: Sequence[str], constants: Sequence[int], weights: Mapping[str, Tensor], known: Mapping[int, Any]
) -> Tensor | None:
    """Return all that an affine map adds at every step."""
    terms = [weights[name] for name in names] + [known[index][0] for index in constants]
    if not terms:
        return None
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
