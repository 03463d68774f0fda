"""What one layer did on a batch: its states and all its equations at every step, for the diagnostics to read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.language import Variant
from gatelab.language.sizes import columns_beside
from gatelab.layers.beside import all_columns, apart, joined, named_columns, seen_above, seen_from_the_end
from gatelab.layers.network import Network
from gatelab.layers.rnn import RNN
from gatelab.layers.rnn_inputs import as_sequences, backwards
from gatelab.layers.structured_weights import whole_weights
from gatelab.paths.lengths import as_lengths
from gatelab.paths.padding import is_valid
from gatelab.probes.equation_values import Surroundings, stepped

__all__ = ["Model", "Shown", "Trace", "check_finite", "placed", "shown", "trace"]

Model = Network | RNN
"""What a diagnostic looks at: a network, trained or not, or the recurrent layers alone."""


@dataclass(frozen=True)
class Shown:
    """A model and what it is shown.

    Attributes:
        rnn: its recurrent layers.
        inputs: (time, batch, features), what the first layer reads.
        lengths: (batch,) valid steps, on the device of the inputs.
    """

    rnn: RNN
    inputs: Tensor
    lengths: Tensor

    @property
    def valid(self) -> Tensor:
        """Return (time, batch), whether a step belongs to its sequence."""
        return is_valid(self.lengths, len(self.inputs))[..., 0]

    def masks(self) -> list[Tensor]:
        """Return dropout between layers that drops nothing: a diagnostic looks at the network as it predicts."""
        shape = (*self.inputs.shape[:2], self.rnn.output_size)
        return [self.inputs.new_ones(shape) for _ in range(self.rnn.num_layers - 1)]


@dataclass(frozen=True)
class Trace:
    """One layer and direction over a batch, in the order in which the direction reads.

    Attributes:
        variant: its equations.
        weights: parameter name -> tensor, every matrix whole; no gradient is asked of them.
        inputs: (time, batch, features), what the layer reads; zero after the end.
        previous: state -> (time, batch, size), the state before each step.
        now: equation -> its value at each step, (time, batch, size), or with fewer axes where all steps are alike.
        lengths: (batch,).
        beside: name -> what stands beside the inputs, (time, batch, columns).
    """

    variant: Variant
    weights: Mapping[str, Tensor]
    inputs: Tensor
    previous: Mapping[str, Tensor]
    now: Mapping[str, Tensor]
    lengths: Tensor
    beside: Mapping[str, Tensor]

    @property
    def surroundings(self) -> Surroundings:
        """Return what expressions read, all steps at once."""
        return Surroundings(self.weights, self.inputs, self.previous, self.now, self.beside)

    @property
    def aside(self) -> Tensor | None:
        """Return what stands beside the inputs as columns, (time, batch, columns); None for nothing."""
        return torch.cat(list(self.beside.values()), -1) if self.beside else None

    @property
    def valid(self) -> Tensor:
        """Return (time, batch), whether a step belongs to its sequence."""
        return is_valid(self.lengths, len(self.inputs))[..., 0]

    def value(self, equation: str) -> Tensor:
        """Return an equation at every step, (time, batch, size)."""
        found = self.now[equation]
        if found.dim() == 3:
            return found
        size = found.shape[-1] if found.dim() else self.size(equation)
        return found.expand(*self.inputs.shape[:2], size)

    def size(self, equation: str) -> int:
        """Return the length of an equation's vector."""
        if equation in self.previous:
            return self.previous[equation].shape[-1]
        return self.inputs.shape[-1] if self.variant.sizes[equation] == "input" else self.hidden_size

    @property
    def hidden_size(self) -> int:
        """Return the length of hidden vectors."""
        hidden = [value.shape[-1] for name, value in self.previous.items() if self.variant.sizes[name] == "hidden"]
        return hidden[0] if hidden else self.inputs.shape[-1]

    def at_rest(self) -> "Trace":
        """Return one step of one sequence from inputs and states of zero: what the biases alone say."""
        inputs = self.inputs.new_zeros(1, 1, self.inputs.shape[-1])
        previous = {name: value.new_zeros(1, 1, value.shape[-1]) for name, value in self.previous.items()}
        beside = {name: value.new_ones(1, 1, value.shape[-1]) for name, value in self.beside.items()}
        now = stepped(self.variant, self.weights, inputs, previous, beside)
        one = self.lengths.new_ones(1)
        return replace(self, inputs=inputs, previous=previous, now=now, lengths=one, beside=beside)

    def at(self, places: Tensor) -> "Trace":
        """Return some (step, sequence) of it, (places, 2), as one step of as many sequences."""

        def picked(values: Tensor) -> Tensor:
            return values[places[:, 0], places[:, 1]][None] if values.dim() == 3 else values

        return replace(
            self,
            inputs=picked(self.inputs),
            previous={name: picked(value) for name, value in self.previous.items()},
            now={name: picked(value) for name, value in self.now.items()},
            lengths=self.lengths.new_ones(len(places)),
            beside={name: picked(value) for name, value in self.beside.items()},
        )

    def from_the_end(self, steps: int) -> "Trace":
        """Return the last so many steps, the last valid step of each sequence first.

        Behind a sequence's first step the values mean nothing.
        """

        def turned(values: Tensor) -> Tensor:
            return backwards(values, self.lengths)[:steps] if values.dim() == 3 else values

        return replace(
            self,
            inputs=turned(self.inputs),
            previous={name: turned(value) for name, value in self.previous.items()},
            now={name: turned(value) for name, value in self.now.items()},
            lengths=self.lengths.clamp(max=steps),
            beside={name: turned(value) for name, value in self.beside.items()},
        )


def shown(model: Model, batch: Any, sequences: int | None = None) -> Shown:
    """Return what a model is shown.

    Args:
        model: a network or an RNN.
        batch: a batch of a task, or (time, batch, input) as an array or a tensor, of tokens (time, batch); batch first
            if the RNN has it so.
        sequences: how many of the batch, the first ones; None for all.

    Raises:
        UserError: no such model; a batch of another width, or with nothing in it.
    """
    if isinstance(model, Network):
        inputs, lengths = model.presented(batch)
        inputs, rnn = _with_ones(model.rnn, model.embedded(inputs, lengths)), model.rnn
    elif isinstance(model, RNN):
        inputs, lengths = as_sequences(batch, None, next(model.parameters(), torch.zeros(())))
        rnn = model
        if isinstance(batch, Tensor) and model.batch_first and inputs.dim() == 3:
            inputs = inputs.transpose(0, 1)
        inputs = _with_ones(rnn, inputs)
    else:
        raise UserError(f"model is a {type(model).__name__}: must be a gatelab.Network or a gatelab.RNN")
    wanted = rnn.input_size + columns_beside(rnn.variant.beside, rnn.input_size)
    if inputs.dim() != 3 or 0 in inputs.shape[:2] or inputs.shape[-1] != wanted:
        raise UserError(
            f"batch of shape {tuple(inputs.shape)}: must be (time, batch, {rnn.input_size}), at least one step of one "
            "sequence"
        )
    steps, count = inputs.shape[:2]
    whole = torch.full((count,), steps) if lengths is None else lengths
    valid = as_lengths(whole, (count,), steps, inputs.device)
    found = Shown(rnn, inputs[:, :sequences].detach(), valid[:sequences])
    if not bool(found.valid.any()):
        raise UserError("lengths of the batch are all 0: must be at least one step of one sequence")
    check_finite("inputs", found.inputs[found.valid])
    return found


def _with_ones(rnn: RNN, inputs: Tensor) -> Tensor:
    """Return inputs with all columns that the variant reads beside x, where x alone has as many as the layer reads."""
    fits = inputs.dim() == 3 and inputs.shape[-1] == rnn.input_size
    return all_columns(inputs, rnn.variant.beside, rnn.input_size) if fits else inputs


def check_finite(what: str, *values: Tensor) -> None:
    """Refuse numbers that are not finite: what follows from them says nothing, and ends some libraries.

    Raises:
        UserError: naming what they are.
    """
    if not all(bool(value.isfinite().all()) for value in values):
        raise UserError(f"{what} are not finite: a diagnostic needs a network and data that are")


def placed(rnn: RNN, layer: int, direction: int) -> int:
    """Return the place of a layer and direction in ``rnn.layers``.

    Raises:
        UserError: it is not there.
    """
    directions = 2 if rnn.bidirectional else 1
    for name, number, count in (("layer", layer, rnn.num_layers), ("direction", direction, directions)):
        if not isinstance(number, int) or not 0 <= number < count:
            raise UserError(f"{name}={number}: must be from 0 to {count - 1}")
    return layer * directions + direction


@torch.no_grad()
def trace(
    model: Model, batch: Any, purpose: str, layer: int = 0, direction: int = 0, sequences: int | None = None
) -> Trace:
    """Return what a layer did on a batch. The states come from the path that the model runs on, the rest from these.

    Args:
        model, batch, sequences: as :func:`shown`.
        purpose: what it is for, a verb, for the error of a foreign variant.
        layer, direction: counted from 0; the second direction reads from the end.

    Raises:
        UserError: as :func:`shown`; a layer or direction that is not there; a foreign variant.
    """
    given = shown(model, batch, sequences)
    rnn = given.rnn
    rnn.variant.check_equations(purpose)
    place, directions = placed(rnn, layer, direction), 2 if rnn.bidirectional else 1
    variant = rnn.variant
    recorded = dict.fromkeys((*variant.states, variant.output))
    _, _, records = rnn.run(given.inputs, None, given.lengths, given.masks(), recorded)
    below = records[(layer - 1) * directions : layer * directions] if layer else []
    inputs, aside = apart(given.inputs, variant.beside)
    if below:
        inputs = torch.cat([record[variant.output] for record in below], -1)
        aside = seen_above(aside, variant.beside, inputs.shape[-1])
    inputs = torch.where(given.valid[..., None], inputs, 0.0)
    states = {name: records[place][name] for name in variant.states}
    check_finite("states", *(value[given.valid] for value in states.values()))
    if direction:
        inputs = backwards(inputs, given.lengths)
        aside = seen_from_the_end(aside, variant.beside, given.lengths)
        states = {name: backwards(value, given.lengths) for name, value in states.items()}
    first = {name: value.new_zeros(1, *value.shape[1:]) for name, value in states.items()}
    previous = {name: torch.cat([first[name], value[:-1]]) for name, value in states.items()}
    own = rnn.layers[place].learned()
    weights = whole_weights(variant, {name: weight.detach() for name, weight in own.items()})
    _, beside = named_columns(joined(inputs, aside), variant.beside)
    now = stepped(variant, weights, inputs, previous, beside)
    return Trace(variant, weights, inputs, previous, now, given.lengths, beside)
