"""gatelab.RNN: any variant, called like torch.nn.LSTM."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from gatelab.errors import UserError
from gatelab.language import Variant, load_variant
from gatelab.layers.foreign import layer_of
from gatelab.layers.layer import RecurrentLayer
from gatelab.layers.rnn_states import pack_states, unpack_states
from gatelab.layers.settings import switch, whole
from gatelab.layers.torch_weights import copy_from_torch, copy_to_torch
from gatelab.paths.choice import Choice
from gatelab.paths.lengths import as_lengths
from gatelab.paths.tensors import check_input, check_states, check_tensor, kind_of

__all__ = ["RNN"]

State = Tensor | tuple[Tensor | list[Tensor], ...] | list[Tensor]


class RNN(nn.Module):
    """A stack of recurrent layers of one variant.

    Called like ``torch.nn.LSTM``: ``output, state = rnn(x)``, ``rnn(x, state)``; x is (time, batch, input), or
    (batch, time, input) with ``batch_first``, or (time, input), or a ``PackedSequence``.

    The state of a variant with one state is a tensor, (layers × directions, batch, hidden); of one with several, a
    tuple of such tensors in the order the variant declares them, so (h, c) for an LSTM. A state that holds x has a
    length of its own in the first layer and is then a list with one tensor for each layer and direction.

    Inputs and states must have the dtype and the device of the weights. Under autocast they are cast to the dtype of
    the weights instead, and so is the output of every variant: a recurrence adds up over many steps, for which half
    precision is too coarse. ``torch.compile``, ``torch.export``, ``torch.jit.trace`` and other tracers record the
    recurrence as one operator, ``gatelab::recurrence``; a saved program needs ``from gatelab import RNN`` where it is
    loaded. With ``path="loop"`` an exported program has PyTorch's own operations alone, and a fixed number of steps.
    There is a gradient of a gradient with ``path="loop"``.

    Args:
        variant: a name (``"cifg"``), the path of a variant file, or a :class:`~gatelab.language.Variant`.
        input_size: features of x_t.
        hidden_size: units of each layer and direction.
        num_layers: layers, each reading the outputs of the one below.
        batch_first: whether x and output are (batch, time, features).
        dropout: share of each layer's outputs zeroed on the way to the next, in training.
        bidirectional: whether each layer also reads the sequence from its end.
        path: how the recurrence runs: "auto" takes the fastest of :data:`gatelab.paths.PATHS` that can; any other name
            of one is taken or refused.
        recompute: for long sequences, the steps of a segment whose activations are computed again on the way back
            instead of being kept; costs one more forward pass.

    Raises:
        UserError: an unknown variant, or a size that is not possible.
    """

    def __init__(
        self,
        variant: str | Variant,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        path: str = "auto",
        recompute: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(variant, str | Variant):
            raise UserError(f"variant is a {type(variant).__name__}: must be a name, the path of a file or a Variant")
        if not isinstance(dropout, float | int | np.floating) or isinstance(dropout, bool) or not 0 <= dropout < 1:
            raise UserError(f"dropout={dropout!r}: must be a number, at least 0 and below 1")
        self.variant: Variant = load_variant(variant) if isinstance(variant, str) else variant
        self.input_size: int = whole("input_size", input_size)
        self.hidden_size: int = whole("hidden_size", hidden_size)
        self.num_layers: int = whole("num_layers", num_layers)
        self.batch_first: bool = switch("batch_first", batch_first)
        self.dropout = float(dropout)
        self.bidirectional: bool = switch("bidirectional", bidirectional)
        directions = 2 if self.bidirectional else 1
        layers = nn.ModuleList(
            layer_of(
                self.variant,
                input_size if layer == 0 else hidden_size * directions,
                hidden_size,
                device,
                dtype,
                path,
                recompute,
            )
            for layer in range(num_layers)
            for _ in range(directions)
        )
        self.layers: Sequence[RecurrentLayer] = cast(Sequence[RecurrentLayer], layers)
        self._sizes = [layer.state_sizes() for layer in self.layers]
        self._alike = [name for name in self.variant.states if len({sizes[name] for sizes in self._sizes}) == 1]

    @property
    def output_size(self) -> int:
        """Features of the output: hidden_size, twice that if bidirectional."""
        return self.hidden_size * (2 if self.bidirectional else 1)

    @staticmethod
    def from_torch(module: nn.LSTM | nn.GRU) -> "RNN":
        """Return the RNN that computes what a torch.nn.LSTM or GRU computes, with its weights.

        torch's two biases are summed where the equations have one.

        Raises:
            UserError: the module has a projection, or is neither; a weight has a shape or dtype of its own.
        """
        name = "lstm" if isinstance(module, nn.LSTM) else "gru" if isinstance(module, nn.GRU) else None
        if name is None or module.proj_size:
            kind = f"{type(module).__name__} with proj_size" if name else type(module).__name__
            raise UserError(f"{kind}: only torch.nn.LSTM and torch.nn.GRU without projection can be carried over")
        weight = cast(Tensor, module.weight_hh_l0)
        rnn = RNN(
            name,
            module.input_size,
            module.hidden_size,
            module.num_layers,
            batch_first=module.batch_first,
            dropout=module.dropout,
            bidirectional=module.bidirectional,
            device=weight.device,
            dtype=weight.dtype,
        )
        copy_from_torch(list(rnn.layers), module)
        return rnn.train(module.training)

    def to_torch(self) -> nn.LSTM | nn.GRU:
        """Return the torch.nn.LSTM or GRU that computes what this RNN computes, with its weights.

        Raises:
            UserError: the equations are those of neither; a weight has a shape or dtype of its own.
        """
        kinds: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}
        for name, kind in kinds.items():
            if _computation(load_variant(name)) == _computation(self.variant):
                weight = next(self.parameters())
                module = kind(
                    self.input_size,
                    self.hidden_size,
                    self.num_layers,
                    batch_first=self.batch_first,
                    dropout=self.dropout if self.num_layers > 1 else 0.0,  # torch warns of one without effect
                    bidirectional=self.bidirectional,
                    device=weight.device,
                    dtype=weight.dtype,
                )
                copy_to_torch(list(self.layers), module)
                return module.train(self.training)
        raise UserError(f"variant '{self.variant.name}' is not torch's: only lstm and gru have a torch form")

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw all initial weights anew."""
        for layer in self.layers:
            layer.reset_parameters(generator)

    def forward(
        self, inputs: Tensor | PackedSequence, state: Any = None, *, lengths: Any = None
    ) -> tuple[Tensor | PackedSequence, Any]:
        """Run all layers over a batch of sequences.

        Args:
            inputs: as the class says.
            state: initial state, in the form in which it is returned; zeros if None.
            lengths: (batch,) valid steps of each padded sequence: a list, range or array of whole numbers, or a tensor
                of any integer dtype on any device. Outputs beyond are zero.

        Returns:
            output (time, batch, hidden × directions), or in the form of the input; the state after the last valid step.

        Raises:
            UserError: shapes, dtypes or devices that do not belong together, as torch.nn.LSTM refuses them; lengths
                that are no whole numbers from 0 to the steps; ``path="native"`` where it cannot run.
        """
        if isinstance(inputs, PackedSequence):
            if lengths is not None:
                raise UserError("lengths= is known of a PackedSequence: must be left out")
            padded, lengths = pad_packed_sequence(inputs)
            self._check(padded)
            states = unpack_states(state, self.variant, (padded.shape[1],), self._sizes)
            output, final, _ = self.run(padded, states, lengths)
            packed = pack_padded_sequence(output, lengths, enforce_sorted=inputs.sorted_indices is None)
            return packed, pack_states(final, self.variant, self._alike)
        self._check(inputs)
        batched = inputs.dim() == 3
        batch = (inputs.shape[0 if self.batch_first else 1],) if batched else ()
        if lengths is not None and not batched:
            raise UserError("lengths= of a single sequence: must be left out; a shorter sequence is a slice of it")
        states = unpack_states(state, self.variant, batch, self._sizes)
        if not batched:
            inputs = inputs.unsqueeze(1)
        elif self.batch_first:
            inputs = inputs.transpose(0, 1)
        output, final, _ = self.run(inputs, states, lengths)
        if not batched:
            return output.squeeze(1), pack_states(final, self.variant, self._alike, batched=False)
        return (output.transpose(0, 1) if self.batch_first else output), pack_states(final, self.variant, self._alike)

    def run(
        self,
        inputs: Tensor,
        states: list[dict[str, Tensor]] | None = None,
        lengths: Any = None,
        masks: Sequence[Tensor] | None = None,
        record: Iterable[str] = (),
    ) -> tuple[Tensor, list[dict[str, Tensor]], list[dict[str, Tensor]]]:
        """Run all layers, time-major, with or without a leading run axis.

        Args:
            inputs: (time, batch, input).
            states: for each layer and direction, state -> (batch, size); zeros if None.
            lengths: (batch,) valid steps, in any form that forward() takes; None if all are.
            masks: for each layer but the last, what its outputs are multiplied with: dropout that the caller has drawn.
                If None, dropout is drawn here, in training.
            record: equations (gates, of a module) whose values are wanted too.

        Returns:
            output (time, batch, hidden × directions); for each layer and direction its final states and its recorded
            values (time, batch, size).

        Raises:
            UserError: as forward(); states, masks or names that do not fit.
        """
        directions = 2 if self.bidirectional else 1
        check_input(inputs, self.input_size)
        record = self.layers[0].recordable(record)
        if states is not None:
            self._check_states(states)
        if lengths is not None:
            batch = (*inputs.shape[:-3], inputs.shape[-2])
            lengths = as_lengths(lengths, batch, inputs.shape[-3], inputs.device)
        if masks is not None:
            self._check_masks(masks, inputs)
        finals: list[dict[str, Tensor]] = []
        records: list[dict[str, Tensor]] = []
        for depth in range(self.num_layers):
            outputs: list[Tensor] = []
            for direction in range(directions):
                index = depth * directions + direction
                layer = self.layers[index]
                source = _reversed(inputs, lengths) if direction else inputs
                output, final, recorded = layer(source, states[index] if states else None, lengths, record)
                if direction:
                    output = _reversed(output, lengths)
                    recorded = {name: _reversed(values, lengths) for name, values in recorded.items()}
                outputs.append(output)
                finals.append(final)
                records.append(recorded)
            inputs = outputs[0] if directions == 1 else torch.cat(outputs, -1)
            if depth < self.num_layers - 1:
                inputs = (
                    inputs * masks[depth]
                    if masks is not None
                    else functional.dropout(inputs, self.dropout, self.training)
                )
        return inputs, finals, records

    @torch.no_grad()
    def choice(self) -> Choice:
        """Return the path that the recurrence takes, and why; found by taking a step, which may compile.

        Raises:
            UserError: the path asked for cannot run.
        """
        layer = self.layers[0]
        weight = next(layer.parameters(), torch.zeros(()))
        return layer.choice(torch.zeros(1, 1, layer.input_size, device=weight.device, dtype=weight.dtype))

    def extra_repr(self) -> str:
        """Return the sizes for repr()."""
        return f"{self.variant.name}, input_size={self.input_size}, hidden_size={self.hidden_size}"

    def _check(self, inputs: Tensor) -> None:
        if not isinstance(inputs, Tensor):
            raise UserError(f"input is a {type(inputs).__name__}: must be a tensor or a PackedSequence")
        check_tensor("input", inputs)
        if torch._C._get_tracing_state() is not None:
            return  # a size is a tensor then; the operator that is recorded checks when it runs
        if inputs.dim() not in (2, 3):
            axes = "(batch, time, input)" if self.batch_first else "(time, batch, input)"
            raise UserError(f"input of shape {tuple(inputs.shape)}: must be {axes} or (time, input)")
        if inputs.shape[-1] != self.input_size:
            raise UserError(f"input of shape {tuple(inputs.shape)}: the last axis must be input_size={self.input_size}")

    def _check_states(self, states: list[dict[str, Tensor]]) -> None:
        _check_count("states", states, len(self.layers), "one for each layer and direction")
        for one, sizes in zip(states, self._sizes, strict=True):
            check_states(one, sizes)

    def _check_masks(self, masks: Sequence[Tensor], inputs: Tensor) -> None:
        _check_count("masks", masks, self.num_layers - 1, "one for each layer but the last")
        dtype, _ = kind_of(inputs, self.layers[0].learned())
        shape = (*inputs.shape[:-1], self.output_size)
        for mask in masks:
            check_tensor("mask", mask)
            if mask.shape != shape or mask.dtype is not dtype:
                found = f"mask of {mask.dtype}, shape {tuple(mask.shape)}"
                raise UserError(f"{found}: must be {dtype}, {tuple(shape)}")
            if mask.device != inputs.device:
                raise UserError(f"mask is on {mask.device}, the input is on {inputs.device}: must be on it too")


def _check_count(name: str, given: Sequence[object], wanted: int, which: str) -> None:
    if not isinstance(given, list | tuple):
        raise UserError(f"{name} are a {type(given).__name__}: must be a list of {wanted}, {which}")
    if len(given) != wanted:
        raise UserError(f"{len(given)} {name}: must be {wanted}, {which}")


def _computation(variant: Variant) -> tuple[Any, ...]:
    """Return what decides the numbers of a variant; the order of its equations does too."""
    return variant.states, tuple(variant.equations.items()), variant.output


def _reversed(values: Tensor, lengths: Tensor | None) -> Tensor:
    """Turn each sequence round in time, its padding staying behind it: (time, batch, size)."""
    if lengths is None:
        return values.flip(-3)
    steps = torch.arange(values.shape[-3], device=values.device)[:, None]
    valid = lengths[..., None, :]
    index = torch.where(steps < valid, valid - 1 - steps, steps)
    return values.gather(-3, index.unsqueeze(-1).expand(values.shape))
