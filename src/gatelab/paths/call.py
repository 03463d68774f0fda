"""What one layer asks of a path, as one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from gatelab.compiler import Program
from gatelab.paths.recomputing import run_again
from gatelab.paths.tensors import DTYPES, all_ordinary

__all__ = ["Call", "Keep", "Outputs", "recomputed"]

Keep = Literal["tape", "nothing"]
"""What a run keeps of its activations for the backward pass: all that it needs, or nothing, to compute them again."""

Outputs = tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]
"""Outputs (time, batch, hidden); the states after the last valid step; recorded values (time, batch, size). Outputs
and recorded values are zero after the last valid step of a sequence."""


@dataclass(frozen=True, slots=True)
class Call:
    """A program, and the tensors that it is to run on.

    All tensors may have one leading run axis; then all of weights, inputs and states must have it.

    Attributes:
        program: the schedule of a variant.
        weights: parameter name -> tensor; matrices (hidden, source), vectors (hidden,), scalars ().
        inputs: (time, batch, input); time-major, because slicing ``x[:, t]`` makes the backward pass quadratic in time.
        states: state -> its value before the first step, (batch, size).
        hidden_size: units of the layer.
        lengths: (batch,) number of valid steps of each sequence; None if all are valid. After its last valid step a
            sequence keeps its states and puts out zeros, whatever stands in its inputs there.
        record: equations whose values at every step are wanted too.
        keep: what is kept for the backward pass.
        plain: whether all tensors are numbers in the memory of this process, of one dtype: looked up once, here.
    """

    program: Program
    weights: Mapping[str, Tensor]
    inputs: Tensor
    states: Mapping[str, Tensor]
    hidden_size: int
    lengths: Tensor | None = None
    record: tuple[str, ...] = ()
    keep: Keep = "tape"
    plain: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        inputs = self.inputs
        plain = (
            not torch.compiler.is_compiling()
            and inputs.dtype in DTYPES
            and all_ordinary((inputs, *self.states.values(), *self.weights.values()), inputs.dtype)
        )
        object.__setattr__(self, "plain", plain)


def recomputed(run: Callable[[Call], Outputs], call: Call) -> Outputs:
    """Return what a run returns; where the call keeps nothing, the backward pass runs it forwards again."""
    if call.keep == "tape":
        return run(call)
    return run_again(
        lambda weights, inputs, states: run(replace(call, weights=weights, inputs=inputs, states=states)),
        call.weights, call.inputs, call.states,
    )  # fmt: skip
