"""One recurrent layer in one direction: the weights of a variant and the run over a sequence."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gatelab.equations import Variant, parameter_shapes, program
from gatelab.errors import UserError
from gatelab.recurrence import paths
from gatelab.recurrence.weights import start_bound, whole_weights

__all__ = ["Layer"]


class Layer(nn.Module):
    """A variant over a sequence, in one direction.

    Weights, diagonals and biases start uniform in ±1/√hidden, as in ``torch.nn.LSTM`` (see also
    :func:`gatelab.recurrence.weights.start_bound`); learned vectors and scalars where the equation says. Openings
    (where gates start) are applied afterwards by the model.

    Args:
        variant: the equations.
        input_size: features of x_t.
        hidden_size: units.
        path: how it runs: "auto", "loop" or "native" (see :mod:`gatelab.recurrence.paths`).
        recompute: steps of a segment. Only the states between segments are kept for the way back, which runs each
            segment forwards again: the tape of one segment instead of all. None keeps everything.

    Raises:
        UserError: a size below 1, unequal sizes where the equations mix x_t with hidden vectors element by element, or
            sizes that the form of a weight cannot have.
    """

    def __init__(
        self,
        variant: Variant,
        input_size: int,
        hidden_size: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        path: str = "auto",
        recompute: int | None = None,
    ) -> None:
        super().__init__()
        sizes = {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "recompute": 1 if recompute is None else recompute,
        }
        for name, size in sizes.items():
            if size < 1:
                raise UserError(f"{name}={size}: must be at least 1")
        if variant.needs_equal_sizes and input_size != hidden_size:
            raise UserError(
                f"variant '{variant.name}' mixes x with hidden vectors element by element, "
                f"so hidden_size={hidden_size} must equal the input size {input_size}"
            )
        self.variant = variant
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.path = path
        self.recompute = recompute
        for name, shape in parameter_shapes(variant, input_size, hidden_size).items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the initial weights, in the order of the equations."""
        for parameter in self.variant.parameters:
            for tensor in map(self.get_parameter, parameter.parts):
                match parameter.initial:
                    case None:
                        bound = start_bound(parameter, self.hidden_size)
                        tensor.uniform_(-bound, bound, generator=generator)
                    case (low, high):
                        tensor.uniform_(low, high, generator=generator)
                    case value:
                        tensor.fill_(value)

    @torch.no_grad()
    def set_parameter(self, name: str, values: NDArray[np.float64]) -> None:
        """Overwrite one parameter."""
        parameter = self.get_parameter(name)
        parameter.copy_(torch.from_numpy(values).to(parameter.dtype))

    def state_sizes(self) -> dict[str, int]:
        """Return state -> length of its vector."""
        lengths = {"input": self.input_size, "hidden": self.hidden_size}
        return {state: lengths[self.variant.sizes[state]] for state in self.variant.states}

    def forward(
        self,
        inputs: Tensor,
        states: Mapping[str, Tensor] | None = None,
        lengths: Tensor | None = None,
        record: Sequence[str] = (),
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Run the layer over a batch of sequences.

        Args:
            inputs: (time, batch, input), with a leading run axis if the parameters have one.
            states: state -> (batch, size) before the first step; zeros if None.
            lengths: (batch,) valid steps of each sequence; None if all are valid.
            record: equations whose values are wanted too.

        Returns:
            outputs (time, batch, hidden), final states, recorded values (time, batch, size).
        """
        if states is None:
            batch = (*inputs.shape[:-3], inputs.shape[-2])
            states = {state: inputs.new_zeros(*batch, size) for state, size in self.state_sizes().items()}
        parts = {name: getattr(self, name) for parameter in self.variant.parameters for name in parameter.parts}
        weights = whole_weights(self.variant, parts)
        arguments = (self.path, program(self.variant), weights)
        if self.recompute is None or not inputs.shape[-3]:
            return paths.run(*arguments, inputs, states, self.hidden_size, lengths, record)
        current = dict(states)
        outputs: list[Tensor] = []
        recorded: list[dict[str, Tensor]] = []
        for number, segment in enumerate(inputs.split(self.recompute, -3)):
            left = None if lengths is None else (lengths - number * self.recompute).clamp(0, segment.shape[-3])
            output, current, values = paths.run(
                *arguments, segment, current, self.hidden_size, left, record, keep="nothing"
            )
            outputs.append(output)
            recorded.append(values)
        joined = {name: torch.cat([values[name] for values in recorded], -3) for name in record}
        return torch.cat(outputs, -3), current, joined
