"""One recurrent layer in one direction: the weights of a variant and the run over a sequence."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gatelab.compiler import parameter_shapes, program
from gatelab.errors import UserError, suggest
from gatelab.language import Variant
from gatelab.language.foreign import FOREIGN
from gatelab.language.json_line import written
from gatelab.language.sizes import Lengths
from gatelab.layers import repeating, traced_call
from gatelab.layers.beside import all_columns
from gatelab.layers.settings import check_dtype, check_generator, whole
from gatelab.layers.structured_weights import start_bound, whole_weights
from gatelab.paths import choice, path_named
from gatelab.paths.call import Call, Keep, Outputs
from gatelab.paths.choice import Choice
from gatelab.paths.lengths import as_lengths
from gatelab.paths.tensors import check_shapes, check_states, kind_of

__all__ = ["Layer", "RecurrentLayer", "Runner"]


class Runner(Protocol):
    """Runs a layer with given weights over a batch of sequences, or over a segment of them."""

    def __call__(
        self,
        inputs: Tensor,
        states: Mapping[str, Tensor],
        lengths: Tensor | None,
        record: Sequence[str],
        keep: Keep = "tape",
    ) -> Outputs:
        """Return outputs, final states and recorded values, as :meth:`RecurrentLayer.forward`.

        ``keep="nothing"`` keeps no activations; the backward pass recomputes them (activation checkpointing).
        """


class RecurrentLayer(nn.Module, ABC):
    """The base of the layers of all variants, equations or foreign.

    Weights, diagonals and biases start uniform in ±1/√hidden, as in ``torch.nn.LSTM``. Openings (where gates start) are
    applied afterwards by the model.

    Args:
        variant: the equations of the layer.
        input_size: features of x_t.
        hidden_size: units.
        path: "auto", or the name of one of :data:`gatelab.paths.PATHS`.
        recompute: steps of a segment. Only the states between segments are kept for the backward pass, which runs each
            segment forward again: the tape of one segment instead of all. None keeps everything.

    Raises:
        UserError: a size below 1, unequal sizes where the equations mix x_t with hidden vectors element by element, or
            sizes that a structured weight cannot have.
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
        path_named(path)
        check_dtype(dtype, device)
        input_size, hidden_size = whole("input_size", input_size), whole("hidden_size", hidden_size)
        if variant.needs_equal_sizes and input_size != hidden_size:
            raise UserError(
                f"variant '{variant.name}' mixes x with hidden vectors element by element, "
                f"so hidden_size={hidden_size} must equal the input size {input_size}"
            )
        self.variant = variant
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.path = path
        self.recompute = None if recompute is None else whole("recompute", recompute)
        self._shapes = parameter_shapes(variant, input_size, hidden_size)
        # asked at every call: what of a variant is the same in all of them is found once
        self._formed = any(parameter.form is not None for parameter in variant.parameters)
        self._beside = variant.beside
        self._written = written(variant)
        self.program = None if variant.foreign is not None else program(variant)
        for name, shape in self._shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def extra_repr(self) -> str:
        """Return the sizes, which print() shows."""
        return f"{self.input_size}, {self.hidden_size}"

    @abstractmethod
    def state_sizes(self) -> dict[str, int]:
        """Return state -> length of its vector."""

    @abstractmethod
    def runner(self, learned: Mapping[str, Tensor]) -> Runner:
        """Return a function that runs the layer with its current weights."""

    @abstractmethod
    def choice(self, inputs: Tensor) -> Choice:
        """Return the path that runs the layer on inputs like these, and why.

        Raises:
            UserError: the requested path cannot run.
        """

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the initial weights, in the order of the variant's parameters."""
        check_generator(generator)
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

    def forward(
        self,
        inputs: Tensor,
        states: Mapping[str, Tensor] | None = None,
        lengths: Any = None,
        record: Iterable[str] = (),
    ) -> Outputs:
        """Run the layer over a batch of sequences.

        Args:
            inputs: (time, batch, input), with a leading run axis if the parameters have one; behind x, what the variant
                reads beside it (:mod:`gatelab.layers.beside`), or nothing.
            states: state -> (batch, size) before the first step; zeros if None.
            lengths: (batch,) valid steps of each sequence, in any form that :meth:`gatelab.RNN.forward` takes; None if
                all are valid.
            record: equations (of a foreign variant: gates) whose values are returned too.

        Under autocast the layer computes in the dtype of its weights, like PyTorch's operations that lose too much
        precision in half: inputs and states are cast to it, outputs have it.

        Returns:
            outputs (time, batch, hidden), final states, recorded values (time, batch, size); zeros after the end.

        Raises:
            UserError: tensors whose dtype, device or shape does not fit the weights; lengths that are no whole
                numbers from 0 to the steps; an unknown name in record.
        """
        inputs = all_columns(inputs, self._beside, self.input_size, self.hidden_size)
        batch = (*inputs.shape[:-3], inputs.shape[-2])
        if lengths is not None:
            lengths = as_lengths(lengths, batch, inputs.shape[-3], inputs.device)
        record = self.recordable(record)
        if states is not None:
            check_states(states, self.state_sizes())
        if not record and (found := self.again(inputs, states, lengths)) is not None:
            return found
        learned, sizes = self.learned(), self.state_sizes()
        if states is None:
            states = {state: inputs.new_zeros(*batch, size) for state, size in sizes.items()}
        if torch._C._is_any_autocast_enabled() and _autocasts(inputs.device.type):
            dtype, _ = kind_of(inputs, learned)
            inputs, states = _cast(inputs, dtype), {name: _cast(state, dtype) for name, state in states.items()}
            with torch.autocast(inputs.device.type, enabled=False):
                return self.forward(inputs, states, lengths, record)
        if not traced_call.seen_by_jit():
            check_shapes(inputs, states, learned, sizes, self._shapes)
        run = self.runner(learned)
        if self.recompute is None or not inputs.shape[-3]:
            return run(inputs, states, lengths, record)
        current = dict(states)
        outputs: list[Tensor] = []
        recorded: list[dict[str, Tensor]] = []
        for number, segment in enumerate(inputs.split(self.recompute, -3)):
            left = None if lengths is None else (lengths - number * self.recompute).clamp(0, segment.shape[-3])
            output, current, values = run(segment, current, left, record, keep="nothing")
            outputs.append(output)
            recorded.append(values)
        joined = {name: torch.cat([values[name] for values in recorded], -3) for name in record}
        return torch.cat(outputs, -3), current, joined

    def again(self, inputs: Tensor, states: Mapping[str, Tensor] | None, lengths: Tensor | None) -> Outputs | None:
        """Return what :meth:`forward` returns, if a call before has found what is the same in this one, else None."""
        return None

    def recordable(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return names of what can be recorded.

        Raises:
            UserError: an unknown name, or no names.
        """
        if type(names) is tuple and not names:
            return ()
        known = self.variant.equations if self.variant.foreign is None else FOREIGN[self.variant.foreign].gates
        some = not isinstance(names, str | bytes) and isinstance(names, Iterable)
        given: tuple[Any, ...] = tuple(names) if some else (names,)
        for name in given:
            if not some or not isinstance(name, str) or name not in known:
                shown = list(given) if some else names
                raise UserError(
                    f"record={shown!r}: must be a list of names among {', '.join(known)}{suggest(str(name), known)}"
                )
        return given

    def learned(self) -> dict[str, Tensor]:
        """Return parameter name -> current tensor: with a run axis in a stack."""
        own = self._parameters
        # a parametrised or pruned weight is an attribute that is made of others
        return {name: getattr(self, name) if (weight := own.get(name)) is None else weight for name in self._shapes}


class Layer(RecurrentLayer):
    """A variant of equations over a sequence, in one direction.

    The factors of a structured weight start as in :func:`gatelab.layers.structured_weights.start_bound`, learned
    vectors and scalars at the value in the equation.
    """

    def state_sizes(self) -> dict[str, int]:
        lengths = Lengths(self.input_size, self.hidden_size)
        return {state: lengths.of(self.variant.sizes[state]) for state in self.variant.states}

    def runner(self, learned: Mapping[str, Tensor]) -> Runner:
        schedule = self.program
        assert schedule is not None
        weights = (
            whole_weights(self.variant, learned) if self._formed else {name: learned[name] for name in self._shapes}
        )

        def run(
            inputs: Tensor,
            states: Mapping[str, Tensor],
            lengths: Tensor | None,
            record: Sequence[str],
            keep: Keep = "tape",
        ) -> Outputs:
            call = Call(schedule, weights, inputs, states, self.hidden_size, lengths, tuple(record), keep)
            if traced_call.recorded(self.path):
                return traced_call.recurrence(self.path, self._written, call)
            path, outputs = choice.carried_out(self.path, call)
            repeating.remember(self, path, call)
            return outputs

        return run

    def again(self, inputs: Tensor, states: Mapping[str, Tensor] | None, lengths: Tensor | None) -> Outputs | None:
        return repeating.again(self, inputs, states, lengths)

    def choice(self, inputs: Tensor) -> Choice:
        # running a step may compile, and a failing compiler changes the choice
        self.forward(inputs)
        batch = (*inputs.shape[:-3], inputs.shape[-2])
        states = {state: inputs.new_zeros(*batch, size) for state, size in self.state_sizes().items()}
        weights = whole_weights(self.variant, self.learned())
        return choice.choose(self.path, Call(program(self.variant), weights, inputs, states, self.hidden_size))


def _autocasts(device: str) -> bool:
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
