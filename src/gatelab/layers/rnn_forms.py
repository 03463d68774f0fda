"""The forms in which an RNN takes sequences, and gives its values back: time first or batch first, single, packed."""

from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from gatelab.errors import UserError
from gatelab.layers.layer import RecurrentLayer
from gatelab.layers.rnn_inputs import check_inputs

__all__ = ["alone", "as_given", "time_major"]


def time_major(
    inputs: Tensor | PackedSequence, lengths: Any, input_size: int, *, batch_first: bool
) -> tuple[Tensor, tuple[int, ...], Any]:
    """Return inputs of any form as (time, batch, input), the batch, (batch,) or () of a single sequence, and lengths.

    Raises:
        UserError: as :func:`gatelab.layers.rnn_inputs.check_inputs`; lengths where the form has none, or its own.
    """
    if isinstance(inputs, PackedSequence):
        if lengths is not None:
            raise UserError("lengths= is known of a PackedSequence: must be left out")
        padded, lengths = pad_packed_sequence(inputs)
        check_inputs(padded, input_size, batch_first=batch_first)
        return padded, (padded.shape[1],), lengths
    check_inputs(inputs, input_size, batch_first=batch_first)
    if inputs.dim() < 3:
        if lengths is not None:
            raise UserError("lengths= of a single sequence: must be left out; a shorter sequence is a slice of it")
        return inputs.unsqueeze(1), (), None
    inputs = inputs.transpose(0, 1) if batch_first else inputs
    return inputs, (inputs.shape[1],), lengths


def as_given(values: Tensor, inputs: Tensor | PackedSequence, *, batch_first: bool) -> Tensor:
    """Return (time, batch, size) in the form of the inputs; of packed ones as it is."""
    if isinstance(inputs, PackedSequence):
        return values
    if inputs.dim() < 3:
        return values.squeeze(1)
    return values.transpose(0, 1) if batch_first else values


def alone(layer: RecurrentLayer, inputs: Tensor, *, batch_first: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Run one layer over whole sequences from zeros; return the output in the form of the inputs, and the final states.

    Args:
        layer: in one direction, of a variant that reads nothing beside x.
        inputs: (time, batch, input), or (batch, time, input) with ``batch_first``.

    Raises:
        UserError: as :func:`gatelab.layers.rnn_inputs.check_inputs`.
    """
    check_inputs(inputs, layer.input_size, batch_first=batch_first)
    output, final, _ = layer(inputs.transpose(0, 1) if batch_first else inputs)
    return output.transpose(0, 1) if batch_first else output, final
