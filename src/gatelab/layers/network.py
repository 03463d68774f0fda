"""A network: an optional embedding, the recurrent layers, and the linear readout that a task needs."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gatelab.errors import UserError
from gatelab.language import Variant
from gatelab.layers.beside import all_columns, apart, joined
from gatelab.layers.gate_files.content import Content, NetworkFacts
from gatelab.layers.gate_files.saved import Saved
from gatelab.layers.layer import RecurrentLayer
from gatelab.layers.rnn import RNN
from gatelab.layers.rnn_inputs import as_sequences
from gatelab.layers.settings import switch, whole
from gatelab.layers.traced_call import seen_by_jit
from gatelab.paths.lengths import as_lengths, unless_full
from gatelab.paths.padding import filled, is_valid
from gatelab.paths.products import product
from gatelab.paths.tensors import check_tensor, ordinary
from gatelab.validation import check

__all__ = ["Network"]


class Network(Saved):
    """An RNN and a linear readout of its outputs; with an optional embedding below.

        >>> network = gatelab.Network(gatelab.variant("gru"), 10, 2, hidden_size=64)
        >>> network(torch.randn(20, 8, 10)).shape
        torch.Size([8, 2])

    ``Run.network()`` returns the trained network of a run. ``network.rnn`` is its :class:`gatelab.RNN`,
    ``network.readout`` the linear map.

    Args:
        variant: the equations of every layer.
        input_size, output_size: of the task.
        hidden_size, num_layers, bidirectional: of the RNN.
        path: how the recurrence runs.
        readout: "last", one prediction from the last valid step (backwards, from the first), or "every".
        embedding: features of a learned linear map of the inputs, without bias, which the first layer reads instead
            of the inputs. None for no such map.
        tokens: whether inputs are integers below input_size, each of which has a row of the embedding.
        direct: whether further weights lead from what the first layer reads to the outputs, at the step of each.
        bias: whether the readout has one.

    Attributes:
        origin: plain values that say where the weights come from, stored in its file. One that ``Run.save`` wrote has
            task, scores, protocol and versions. Empty for a new network.
    """

    def __init__(
        self,
        variant: Variant,
        input_size: int,
        output_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        readout: Literal["last", "every"] = "last",
        path: str = "auto",
        embedding: int | None = None,
        tokens: bool = False,
        direct: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if readout not in ("last", "every"):
            raise UserError(f"readout={readout!r}: must be last or every")
        embedding = None if embedding is None else whole("embedding", embedding)
        input_size, output_size = whole("input_size", input_size), whole("output_size", output_size)
        if switch("tokens", tokens) and embedding is None:
            raise UserError("embedding=None: tokens must have an embedding of at least 1 feature")
        if embedding is not None and "mask" in variant.given:
            raise UserError(
                f"embedding={embedding}: variant '{variant.name}' reads mask, which is of the inputs themselves"
            )
        self.embedding = None if embedding is None else nn.Parameter(torch.empty(input_size, embedding))
        self.tokens = bool(tokens)
        seen = input_size if embedding is None else embedding
        self.rnn = RNN(variant, seen, hidden_size, num_layers, bidirectional=bidirectional, path=path)
        self.readout = nn.Linear(self.rnn.output_size, output_size, switch("bias", bias))
        self.direct = nn.Linear(seen, output_size, bias=False) if switch("direct", direct) else None
        self.predicts: Literal["last", "every"] = readout
        self.origin: dict[str, Any] = {}
        self._draw_embedding(None)

    def content(self) -> Content:
        """Return what a file of this network holds: its RNN, embedding, readout and origin."""
        below, embedding = self.rnn.content(), self.embedding
        tensors = {f"rnn.{name}": tensor for name, tensor in below.tensors.items()}
        if embedding is not None:
            tensors = {"embedding": embedding, **tensors}
        tensors |= {f"readout.{name}": tensor for name, tensor in self.readout.named_parameters()}
        if self.direct is not None:
            tensors["direct.weight"] = self.direct.weight
        around = {
            "input_size": self.rnn.input_size if embedding is None else embedding.shape[0],
            "output_size": self.readout.out_features,
            "readout": self.predicts,
            "embedding": None if embedding is None else embedding.shape[1],
            "tokens": self.tokens,
            "direct": self.direct is not None,
            "bias": self.has_bias,
        }
        facts = check(NetworkFacts, around, "saving a network")
        return Content(self.rnn.variant, below.rnn, facts, self.origin, tensors)

    @classmethod
    def from_content(cls, content: Content) -> Self:
        """Return the network of a file's content, on the CPU and in evaluation mode.

        Raises:
            UserError: the file holds an RNN alone.
        """
        facts, rnn = content.network, content.rnn
        if facts is None:
            raise UserError("the file holds an RNN alone: gatelab.RNN.from_pretrained or gatelab.load returns it")
        with torch.device("meta"):  # no weights are drawn
            network = cls(
                content.variant,
                hidden_size=rnn.hidden_size,
                num_layers=rnn.num_layers,
                bidirectional=rnn.bidirectional,
                **facts.model_dump(),
            )
        network.rnn = RNN.from_content(content)
        network.load_state_dict(dict(content.tensors), assign=True)
        network.origin = dict(content.origin)
        return network.eval()

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Draw all initial weights, layer by layer, the readout last: uniform in ±1/√(features read).

        An embedding is drawn after these, so that the other weights equal those of a network without one: for tokens
        standard normal as in ``torch.nn.Embedding``, for vectors uniform like the readout. Direct weights are the last.
        """
        self.rnn.reset_parameters(generator)
        bound = 1 / self.rnn.output_size**0.5
        with torch.no_grad():
            self.readout.weight.uniform_(-bound, bound, generator=generator)
            if self.has_bias:
                self.readout.bias.uniform_(-bound, bound, generator=generator)
            self._draw_embedding(generator)
            if self.direct is not None:
                features = 1 / self.direct.in_features**0.5
                self.direct.weight.uniform_(-features, features, generator=generator)

    @torch.no_grad()
    def _draw_embedding(self, generator: torch.Generator | None) -> None:
        if self.embedding is not None:
            features = 1 / self.embedding.shape[0] ** 0.5
            draw = self.embedding.normal_ if self.tokens else partial(self.embedding.uniform_, -features, features)
            draw(generator=generator)

    @torch.no_grad()
    def spread_parameters(self, generator: torch.Generator, kind: Literal["uniform", "normal"], scale: float) -> None:
        """Draw all initial weights again from one distribution, biases and readout too.

        Uniform in ±scale, or normal with that standard deviation. Learned vectors and numbers keep the
        initial values of their equations, and the factors of a structured matrix are drawn like a matrix.
        """
        own = {id(layer.get_parameter(part)) for layer in self.rnn.layers for part in _set_by_equations(layer)}
        for parameter in self.parameters():
            if id(parameter) in own:
                continue
            if kind == "uniform":
                parameter.uniform_(-scale, scale, generator=generator)
            else:
                parameter.normal_(0.0, scale, generator=generator)

    def draw_masks(self, random: np.random.Generator, rate: float, steps: int, batch: int) -> list[Tensor]:
        """Draw the dropout between layers for one batch of one run.

        Returns:
            For each layer but the last, (time, batch, features) factors that are 0 with probability ``rate`` and
            otherwise 1/(1 − rate).
        """
        shape = (self.rnn.num_layers - 1, steps, batch, self.rnn.output_size)
        kept = random.random(shape, dtype=np.float32) >= rate
        return list(torch.from_numpy(kept.astype(np.float32) / np.float32(1 - rate)))

    def forward(
        self, inputs: Tensor, lengths: Any = None, masks: Sequence[Tensor] | None = None, drawn: Any = None
    ) -> Tensor:
        """Predict.

        Args:
            inputs: (time, batch, input), or (time, batch) of tokens, with a leading run axis if the weights have one.
            lengths: (batch,) valid steps, in any form that :meth:`gatelab.RNN.forward` takes; None if all are.
            masks: dropout as :meth:`draw_masks` draws it; None for none.
            drawn: as :meth:`gatelab.RNN.run` takes it.

        Returns:
            (batch, output) for readout "last", (time, batch, output) for "every".
        """
        lengths = self._checked(inputs, lengths)
        return self.predicted(self._embedded(inputs, lengths), lengths, masks, drawn)

    def predicted(
        self, read: Tensor, lengths: Tensor | None, masks: Sequence[Tensor] | None = None, drawn: Any = None
    ) -> Tensor:
        """Predict as a call does, from what the first layer reads: :meth:`embedded` of the inputs."""
        output, _, _ = self.rnn.run(read, None, lengths, masks, drawn=drawn)
        return self.of_outputs(output, read, lengths)

    def of_outputs(self, output: Tensor, read: Tensor, lengths: Tensor | None) -> Tensor:
        """Predict from the outputs of the last layer, and from what the first one reads."""
        rows, below = self._rows(output, lengths), None
        read, _ = self._read_apart(read)
        if self.predicts == "last":
            return self.read_out(rows, None if self.direct is None else _at_the_end(read, lengths))
        if self.direct is not None:
            if lengths is not None:
                # values after the end of a sequence may be NaN, and would spoil the gradient of the weights
                read = torch.where(is_valid(lengths, read.shape[-3]), read, 0.0)
            below = read.flatten(-3, -2)
        return self.read_out(rows, below).unflatten(-2, output.shape[-3:-1])

    def rows(
        self, inputs: Tensor, lengths: Any = None, masks: Sequence[Tensor] | None = None, drawn: Any = None
    ) -> Tensor:
        """Return what the readout reads, (rows, features): one row for each prediction, in their order.

        Args:
            inputs, lengths, masks, drawn: as a call takes them.
        """
        lengths = self._checked(inputs, lengths)
        output, _, _ = self.rnn.run(self._embedded(inputs, lengths), None, lengths, masks, drawn=drawn)
        return self._rows(output, lengths)

    def _rows(self, output: Tensor, lengths: Tensor | None) -> Tensor:
        last = self.predicts == "last"
        return self.last(output, unless_full(lengths, output.shape[-3])) if last else output.flatten(-3, -2)

    def gates(self, inputs: Any, lengths: Any = None) -> dict[str, Tensor]:
        """Return the value of every gate at every step, as :meth:`gatelab.RNN.gates` does.

            >>> run = gatelab.train("variant=gru", "task=adding", *tiny)
            >>> gates = run.network().gates(run.task.validation())
            >>> {name: tuple(value.shape) for name, value in gates.items()}
            {'r': (8, 10, 4), 'u': (8, 10, 4)}

        Args:
            inputs: a batch of a task, which brings its lengths along; or (time, batch, input), or (time, batch) of
                tokens, as an array or a tensor.
            lengths: (batch,) valid steps, in any form that :meth:`gatelab.RNN.forward` takes; None if all are.

        Raises:
            UserError: lengths beside a batch that has its own; else as for a call.
        """
        shown, lengths = self.presented(inputs, lengths)
        return self.rnn.gates(self.embedded(shown, lengths), lengths=lengths)

    def presented(self, inputs: Any, lengths: Any = None) -> tuple[Tensor, Tensor | None]:
        """Return inputs and lengths as the network takes them, of a batch of a task, arrays or tensors.

        Raises:
            UserError: as :meth:`gates`.
        """
        shown, lengths = as_sequences(inputs, lengths, self.readout.weight)
        if lengths is None or shown.dim() < 2:
            return shown, None
        return shown, as_lengths(lengths, tuple(shown.shape[1:2]), shown.shape[0], shown.device)

    def embedded(self, inputs: Tensor, lengths: Any = None) -> Tensor:
        """Return what the first layer reads: (time, batch, features), with a run axis if the weights have one.

        Values after the end of a sequence are not used: they may be NaN or no token.
        """
        return self._embedded(inputs, self._checked(inputs, lengths))

    def _checked(self, inputs: Tensor, lengths: Any) -> Tensor | None:
        """Refuse inputs of another type or shape, and return lengths in the form of the layers."""
        if not self.tokens:
            all_columns(inputs, self.rnn.variant.given, self._features)
        else:
            check_tensor("input", inputs)
            if inputs.dim() not in (2, 3) or inputs.dtype not in (torch.int32, torch.int64):
                found = f"input of {inputs.dtype}, shape {tuple(inputs.shape)}"
                raise UserError(f"{found}: must be tokens, (time, batch) of torch.int64")
        if lengths is None:
            return None
        *batch, steps, sequences = inputs.shape if self.tokens else inputs.shape[:-1]
        return as_lengths(lengths, (*batch, sequences), steps, inputs.device)

    def _embedded(self, inputs: Tensor, lengths: Tensor | None) -> Tensor:
        table = self.embedding
        if table is None:
            return inputs
        aside: Tensor | None = None
        if not self.tokens:
            inputs, aside = self._apart(inputs)
        if lengths is not None and self.tokens:
            valid = is_valid(lengths, inputs.shape[-2]).squeeze(-1)
            inputs = torch.where(valid, inputs, 0)
        elif lengths is not None:
            inputs = filled(inputs, lengths)
        if not self.tokens:
            return joined(product(inputs.flatten(-3, -2), table).unflatten(-2, inputs.shape[-3:-1]), aside)
        # in a stack, a token beyond a run's rows would be one of the next run's
        if not (torch.compiler.is_compiling() or seen_by_jit()) and ordinary(inputs) and inputs.numel():
            smallest, greatest = int(inputs.numpy().min()), int(inputs.numpy().max())
            if smallest < 0 or greatest >= table.shape[-2]:
                raise UserError(f"tokens from {smallest} to {greatest}: must be from 0 to {table.shape[-2] - 1}")
        if table.dim() == 2:
            return functional.embedding(inputs, table)
        first = torch.arange(len(table), device=inputs.device)[:, None, None] * table.shape[1]
        return functional.embedding(inputs + first, table.flatten(0, 1))

    def _read_apart(self, read: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return x, and what the first layer reads beside it."""
        beside = self.rnn.variant.given
        return apart(read, beside) if read.shape[-1] != self.rnn.input_size else (read, None)

    @property
    def _features(self) -> int:
        """The inputs that are not tokens, without what stands beside them."""
        return self.rnn.input_size if self.embedding is None else self.embedding.shape[-2]

    def _apart(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what an embedding maps, and what stands beside it."""
        beside = self.rnn.variant.given
        return apart(inputs, beside) if inputs.shape[-1] != self._features else (inputs, None)

    def last(self, output: Tensor, lengths: Tensor | None) -> Tensor:
        """Return each direction's output after the whole sequence: (batch, features)."""
        if not seen_by_jit() and not output.shape[-3]:
            raise UserError("input of 0 steps: must be at least 1 for a prediction from the last")
        last = _at_the_end(output, lengths)
        if not self.rnn.bidirectional:
            return last
        half = self.rnn.hidden_size
        return torch.cat([last[..., :half], output.select(-3, 0)[..., half:]], -1)

    @property
    def has_bias(self) -> bool:
        """Whether the readout has a bias."""
        return isinstance(self.readout.bias, Tensor)

    def read_out(self, rows: Tensor, below: Tensor | None) -> Tensor:
        """Return the predictions, (rows, output).

        Args:
            rows: (rows, features), outputs of the last layer, with a run axis if the weights have one.
            below: (rows, features), what the first layer reads at the same steps; None without direct weights.
        """
        bias = self.readout.bias[..., None, :] if self.has_bias else None
        found = product(rows, self.readout.weight.mT, bias)
        if self.direct is None or below is None:
            return found
        return found + product(below, self.direct.weight.mT)


def _at_the_end(values: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the values of each sequence's last valid step: (time, batch, features) gives (batch, features)."""
    if lengths is None:
        return values.select(-3, values.shape[-3] - 1)
    index = (lengths - 1).clamp(min=0)[..., None, :, None].expand(*values.shape[:-3], 1, *values.shape[-2:])
    return values.gather(-3, index).squeeze(-3)


def _set_by_equations(layer: RecurrentLayer) -> list[str]:
    """Return the learned tensors of a layer whose initial value is in an equation."""
    return [part for one in layer.variant.parameters if one.initial is not None for part in one.parts]
