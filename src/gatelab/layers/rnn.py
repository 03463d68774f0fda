"""gatelab.RNN: any variant, called like torch.nn.LSTM."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from gatelab.errors import UserError
from gatelab.language import Variant, load_variant
from gatelab.language.biases import without_biases
from gatelab.language.bounds import gates
from gatelab.layers import beside
from gatelab.layers.drawn_columns import with_drawn
from gatelab.layers.foreign import layer_of
from gatelab.layers.gate_files.content import Content, RNNFacts
from gatelab.layers.gate_files.saved import Saved
from gatelab.layers.layer import RecurrentLayer
from gatelab.layers.openings import Opening, as_opening, own_mapping
from gatelab.layers.rnn_forms import alone, as_given, time_major
from gatelab.layers.rnn_inputs import backwards, check_count, check_masks
from gatelab.layers.rnn_states import pack_states, unpack_states
from gatelab.layers.rnn_text import description
from gatelab.layers.settings import switch, whole
from gatelab.layers.torch_weights import copy_from_torch, copy_to_torch, new_torch, torch_arguments, torch_variant
from gatelab.paths.choice import Choice
from gatelab.paths.lengths import as_lengths
from gatelab.paths.tensors import check_states, kind_of
from gatelab.validation import check

__all__ = ["RNN"]

Padded = Tensor | PackedSequence
State = Tensor | tuple[Tensor | list[Tensor], ...] | list[Tensor]


class RNN(Saved):
    """A stack of recurrent layers of one variant.

    Called like ``torch.nn.LSTM``: ``output, state = rnn(x)``, ``rnn(x, state)``; x is (time, batch, input), or
    (batch, time, input) with ``batch_first``, or (time, input), or a ``PackedSequence``.

    The state of a variant with one state is a tensor, (layers × directions, batch, hidden); of one with several, a
    tuple of such tensors in the order the variant declares them, so (h, c) for an LSTM. A state that holds x has
    another length in the first layer and is then a list with one tensor for each layer and direction.

    Inputs and states must have the dtype and the device of the weights. Under autocast they are cast to the dtype of
    the weights instead, and so is the output of every variant: a recurrence sums over many steps, for which half
    precision is too coarse. ``torch.compile``, ``torch.export``, ``torch.jit.trace`` and other tracers record the
    recurrence as one operator, ``gatelab::recurrence``; a saved program needs ``from gatelab import RNN`` where it is
    loaded. With ``path="loop"`` an exported program has only PyTorch's operations, and a fixed number of steps.
    Second derivatives need ``path="loop"``.

        >>> rnn = gatelab.RNN("peephole", 10, 64, opening="chrono")
        >>> output, (h, c) = rnn(torch.randn(20, 8, 10))
        >>> output.shape, h.shape
        (torch.Size([20, 8, 64]), torch.Size([1, 8, 64]))

    The arguments up to ``bidirectional`` have the order of ``torch.nn.LSTM``.

    Args:
        variant: a name (``"cifg"``), the path of a variant file, or a :class:`~gatelab.Variant`.
        input_size: features of x_t.
        hidden_size: units of each layer and direction.
        num_layers: layers, each reading the outputs of the one below.
        bias: False removes every bias from the equations: ``linear`` becomes ``project``.
        batch_first: whether x and output are (batch, time, features).
        dropout: share of each layer's outputs zeroed on the way to the next, in training.
        bidirectional: whether each layer also reads the sequence from its end.
        device, dtype: of the weights.
        opening: where gates start: the name of a file of conf/opening/ (``"chrono"``), or its keys as a mapping
            (``{"name": "chrono", "max_time": 200}``). None keeps the random biases.
        path: of the recurrence: "auto" uses the fastest possible one; another name ("loop") is used or refused.
        recompute: for long sequences, the steps of a segment whose activations are recomputed in the backward pass
            instead of being kept; costs one more forward pass.

    Attributes:
        variant: the equations; without biases if ``bias=False``.
        layers: for each layer and direction the module with its weights, by name: ``rnn.layers[0].f_bias``.

    Raises:
        UserError: an unknown variant or opening, or a size that is not possible.
    """

    def __init__(
        self,
        variant: str | Variant,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,  # noqa: FBT001, FBT002 - the order of torch.nn.LSTM
        batch_first: bool = False,  # noqa: FBT001, FBT002
        dropout: float = 0.0,
        bidirectional: bool = False,  # noqa: FBT001, FBT002
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        opening: str | Mapping[str, Any] | Opening | None = None,
        path: str = "auto",
        recompute: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(variant, str | Variant):
            raise UserError(f"variant is a {type(variant).__name__}: must be a name, the path of a file or a Variant")
        if not isinstance(dropout, float | int | np.floating) or isinstance(dropout, bool) or not 0 <= dropout < 1:
            raise UserError(f"dropout={dropout!r}: must be a number, at least 0 and below 1")
        known: Variant = load_variant(variant) if isinstance(variant, str) else variant
        self.bias: bool = switch("bias", bias)
        self.variant: Variant = known if self.bias else without_biases(known)
        self.input_size: int = whole("input_size", input_size)
        self.hidden_size: int = whole("hidden_size", hidden_size)
        self.num_layers: int = whole("num_layers", num_layers)
        self.batch_first: bool = switch("batch_first", batch_first)
        self.dropout = float(dropout)
        self.bidirectional: bool = switch("bidirectional", bidirectional)
        directions = 2 if self.bidirectional else 1
        sizes = [input_size, *[hidden_size * directions] * (num_layers - 1)]
        layers = nn.ModuleList(
            layer_of(self.variant, size, hidden_size, device, dtype, path, recompute)
            for size in sizes
            for _ in range(directions)
        )
        self.layers: Sequence[RecurrentLayer] = cast(Sequence[RecurrentLayer], layers)
        self._sizes = [layer.state_sizes() for layer in self.layers]
        self._one_layer = len(self._sizes) == 1 and not self.variant.beside
        self._alike = [name for name in self.variant.states if len({sizes[name] for sizes in self._sizes}) == 1]
        self.expected: Mapping[str, Tensor] = {}  # of what training draws, its mean
        self.opening = as_opening(opening)
        self._open(None)

    @property
    def output_size(self) -> int:
        """Features of the output: hidden_size, twice that if bidirectional."""
        return self.hidden_size * (2 if self.bidirectional else 1)

    @staticmethod
    def from_torch(module: nn.LSTM | nn.GRU | nn.RNN) -> "RNN":
        """Return the RNN that computes what a torch.nn.LSTM, GRU or RNN computes, with its weights.

        torch's two biases are summed where the equations have one.

            >>> lstm = torch.nn.LSTM(10, 64)
            >>> x = torch.randn(20, 8, 10)
            >>> torch.allclose(gatelab.RNN.from_torch(lstm)(x)[0], lstm(x)[0], atol=1e-6)
            True

        Raises:
            UserError: the module has a projection, or is none of them; a weight has another shape or dtype.
        """
        variant = torch_variant(module)
        weight = cast(Tensor, module.weight_hh_l0)
        sizes = {argument: getattr(module, argument) for argument in torch_arguments()}
        rnn = RNN(variant, **sizes, device=weight.device, dtype=weight.dtype)
        copy_from_torch(list(rnn.layers), module)
        return rnn.train(module.training)

    def to_torch(self) -> nn.LSTM | nn.GRU | nn.RNN:
        """Return the torch.nn.LSTM, GRU or RNN that computes what this RNN computes, with its weights.

            >>> gatelab.RNN("gru", 10, 64).to_torch()
            GRU(10, 64)

        Raises:
            UserError: the equations are those of none of them; a weight has another shape or dtype.
        """
        weight = next(self.parameters())
        sizes = {argument: getattr(self, argument) for argument in torch_arguments()}
        if self.num_layers == 1:
            sizes["dropout"] = 0.0  # torch warns of one without effect
        module = new_torch(self.variant, **sizes, device=weight.device, dtype=weight.dtype)
        copy_to_torch(list(self.layers), module)
        return module.train(self.training)

    def content(self) -> Content:
        """Return what a file of this RNN holds: equations, sizes, options and weights."""
        sizes = {name: getattr(self, name) for name in torch_arguments()}
        rest = {"recompute": self.layers[0].recompute, "opening": own_mapping(self.opening)}
        facts = check(RNNFacts, {**sizes, **rest}, "saving an RNN")
        tensors = {
            f"layers.{index}.{name}": tensor
            for index, layer in enumerate(self.layers)
            for name, tensor in layer.learned().items()
        }
        return Content(self.variant, facts, tensors=tensors)

    @classmethod
    def from_content(cls, content: Content) -> Self:
        """Return the RNN of a file's content, on the CPU and in evaluation mode; of a network, its RNN alone."""
        facts = content.rnn.model_dump()
        opening = facts.pop("opening")
        with torch.device("meta"):  # no weights are drawn: those of the file are assigned
            rnn = cls(content.variant, **facts)
        rnn.load_state_dict(content.of_rnn(), assign=True)
        rnn.opening = as_opening(opening)
        return rnn.eval()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw all initial weights again, and set the biases of the opening."""
        for layer in self.layers:
            layer.reset_parameters(generator)
        self._open(generator)

    def _open(self, generator: torch.Generator | None) -> None:
        if self.opening is not None:
            device = "cpu" if generator is None else generator.device
            drawn = torch.randint(2**63 - 1, (), generator=generator, device=device)
            self.opening.apply(self, np.random.default_rng(int(drawn)))

    def forward(
        self, inputs: Padded, state: Any = None, *, lengths: Any = None, dt: Any = None, mask: Any = None
    ) -> tuple[Tensor | PackedSequence, Any]:
        """Run all layers over a batch of sequences.

        Args:
            inputs: see the class.
            state: initial state, in the form of the returned state; zeros if None.
            lengths: (batch,) valid steps of each padded sequence: a list, range or array of whole numbers, or a tensor
                of any integer dtype on any device. Outputs beyond are zero.
            dt, mask: in the form of the input (of packed sequences: padded), for variants that read them: (time, batch)
                intervals to the step before, (time, batch, input) 1 where x was observed, else 0. None for ones.

        Returns:
            output (time, batch, hidden × directions), or in the form of the input; the state after the last valid step.

        Raises:
            UserError: shapes, dtypes or devices that do not fit, as torch.nn.LSTM refuses them; lengths
                that are no whole numbers from 0 to the steps; ``path="native"`` where it cannot run.
        """
        if self._one_layer and state is lengths is dt is mask is None and type(inputs) is Tensor and inputs.dim() == 3:
            (layer,) = self.layers  # a short sequence takes less time than what the other cases need
            given, last = alone(layer, inputs, batch_first=self.batch_first)
            return given, pack_states([last], self.variant, self._alike)
        output, final, _, lengths = self._run(inputs, state, lengths, (), {"dt": dt, "mask": mask})
        if isinstance(inputs, PackedSequence):
            packed = pack_padded_sequence(output, lengths, enforce_sorted=inputs.sorted_indices is None)
            return packed, pack_states(final, self.variant, self._alike)
        packed_state = pack_states(final, self.variant, self._alike, batched=inputs.dim() == 3)
        return as_given(output, inputs, batch_first=self.batch_first), packed_state

    def gates(
        self, inputs: Padded, state: Any = None, *, lengths: Any = None, dt: Any = None, mask: Any = None
    ) -> dict[str, Tensor]:
        """Return the value of every gate at every step.

        It costs what a call costs, on every path, and calls that do not ask pay nothing. Gradients reach the gates, and
        go from them to weights and inputs; within ``torch.no_grad()`` there are none.

            >>> rnn = gatelab.RNN("lstm", 10, 64)
            >>> values = rnn.gates(torch.randn(20, 8, 10))
            >>> {name: tuple(value.shape) for name, value in values.items()}
            {'i': (20, 8, 64), 'f': (20, 8, 64), 'o': (20, 8, 64)}

        Args:
            inputs: (time, batch, input), (batch, time, input) with ``batch_first``, or (time, input); of a
                ``PackedSequence`` the values are padded, (time, batch, hidden).
            state: initial state, as for a call; zeros if None.
            lengths, dt, mask: as for a call.

        Returns:
            gate -> values in the shape of the output of one layer and direction, (time, batch, hidden); zeros after the
            end of a sequence. With several layers or directions the keys are "layer.direction.gate", counted from 0:
            ``"1.0.f"``. A gate of a foreign variant may have another length than hidden_size. Which equations are
            gates: :func:`gatelab.language.bounds.gates`.
        """
        names = gates(self.variant)
        _, _, records, _ = self._run(inputs, state, lengths, names, {"dt": dt, "mask": mask})
        directions = 2 if self.bidirectional else 1
        places = [f"{index // directions}.{index % directions}." for index in range(len(records))]
        return {
            (place if len(records) > 1 else "") + name: as_given(record[name], inputs, batch_first=self.batch_first)
            for place, record in zip(places, records, strict=True)
            for name in names
        }

    def _run(
        self, inputs: Tensor | PackedSequence, state: Any, lengths: Any, record: Sequence[str], given: Mapping[str, Any]
    ) -> tuple[Tensor, list[dict[str, Tensor]], list[dict[str, Tensor]], Any]:
        """Run all layers over inputs in the form of a call; what comes back is time-major and has a batch.

        Returns what :meth:`run` does, and the lengths, which packed sequences bring with them.
        """
        padded, batch, lengths = time_major(inputs, lengths, self.input_size, batch_first=self.batch_first)
        padded = beside.with_given(padded, given, self.variant, batch_first=self.batch_first)
        states = unpack_states(state, self.variant, batch, self._sizes)
        return *self.run(padded, states, lengths, record=record), lengths

    def run(
        self,
        inputs: Tensor,
        states: list[dict[str, Tensor]] | None = None,
        lengths: Any = None,
        masks: Sequence[Tensor] | None = None,
        record: Iterable[str] = (),
        drawn: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, list[dict[str, Tensor]], list[dict[str, Tensor]]]:
        """Run all layers, time-major, with or without a leading run axis.

        Args:
            inputs: (time, batch, input), or with the columns that the variant reads beside x behind them.
            states: for each layer and direction, state -> (batch, size); zeros if None.
            lengths: (batch,) valid steps, in any form that forward() takes; None if all are.
            masks: for each layer but the last, the factors on its outputs: dropout drawn by the caller.
                If None, dropout is drawn here, in training.
            record: equations (of a foreign variant: gates) whose values are returned too.
            drawn: for each layer and direction, the columns of what training draws; the expectation if None.

        Returns:
            output (time, batch, hidden × directions); for each layer and direction its final states and its recorded
            values (time, batch, size).

        Raises:
            UserError: as forward(); states, masks or names that do not fit.
        """
        directions = 2 if self.bidirectional else 1
        read = self.variant.given
        inputs, aside = beside.apart(beside.all_columns(inputs, read, self.input_size), read)
        layers = list(self.layers)
        record = layers[0].recordable(record)
        if states is not None:
            check_count("states", states, len(layers), "one for each layer and direction")
            for one, sizes in zip(states, self._sizes, strict=True):
                check_states(one, sizes)
        if lengths is not None:
            batch = (*inputs.shape[:-3], inputs.shape[-2])
            lengths = as_lengths(lengths, batch, inputs.shape[-3], inputs.device)
        if masks is not None:
            dtype, _ = kind_of(inputs, layers[0].learned())
            check_masks(masks, self.num_layers - 1, (*inputs.shape[:-1], self.output_size), dtype, inputs.device)
        finals: list[dict[str, Tensor]] = []
        records: list[dict[str, Tensor]] = []
        for depth in range(self.num_layers):
            outputs: list[Tensor] = []
            for direction in range(directions):
                index = depth * directions + direction
                layer = layers[index]
                side = beside.seen_above(aside, read, inputs.shape[-1]) if depth else aside
                source = beside.from_the_end(inputs, side, read, lengths) if direction else beside.joined(inputs, side)
                mask = drawn[index] if drawn else None
                source = with_drawn(source, self.variant, self.hidden_size, mask, self.expected)
                output, final, recorded = layer(source, states[index] if states else None, lengths, record)
                if direction:
                    output = backwards(output, lengths)
                    recorded = {name: backwards(values, lengths) for name, values in recorded.items()}
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
        """Return the path of the recurrence, and why; found by running a step, which may compile.

        Raises:
            UserError: the requested path cannot run.
        """
        layer = self.layers[0]
        weight = next(layer.parameters(), torch.zeros(()))
        return layer.choice(torch.zeros(1, 1, layer.input_size, device=weight.device, dtype=weight.dtype))

    def extra_repr(self) -> str:
        """Return equations, sizes and options, which print() shows."""
        return description(self)
