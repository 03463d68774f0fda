"""gatelab.from_onnx: every LSTM, GRU and RNN node of a file, as an RNN and what the file says of its use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from gatelab.errors import UserError, one_line, suggest
from gatelab.exchange.cells import joined
from gatelab.exchange.found import Found
from gatelab.exchange.onnx_in.model_file import ModelFile, Scope, read_model
from gatelab.exchange.onnx_in.node_settings import settings_of
from gatelab.exchange.onnx_in.node_weights import RUNTIME, Constants, cells, constants, runtime
from gatelab.layers.rnn_inputs import backwards
from gatelab.reading import shown

__all__ = ["OnnxNode", "found_in_onnx", "from_onnx"]


@dataclass(frozen=True)
class OnnxNode(Found):
    """An LSTM, GRU or RNN node of an ONNX file.

        >>> gatelab.to_onnx(gatelab.RNN("gru", 10, 64), "gate.onnx")
        >>> node = gatelab.from_onnx("gate.onnx", name="GRU_0")
        >>> node.rnn.variant.equations["h"]
        '(1 - u) * n + u * h'
        >>> output, h = node.run(torch.randn(20, 8, 10))
        >>> output.shape
        torch.Size([20, 8, 64])

    Attributes:
        name: that of the node; of a node without a name its operator and its place: ``LSTM_0``. A bidirectional node
            whose directions have other functions is two: ``name.forward`` and ``name.reverse``.
        rnn: the same computation, with its weights, in evaluation mode; batch first if the node's layout is 1.
        source: a sentence: the node, its file, and what is given at run time.
        reverse: whether the node reads sequences from their end. ``rnn`` reads what it is given, so its inputs must be
            reversed; :meth:`run` does that.
        state: the initial state in the file, in the form of a call; None for zeros, and for one given at run time.
        lengths: (batch,) the valid steps in the file; None for all, and for those given at run time.
        runtime: what the graph gives at run time: ``{"initial_h": "the name of its value"}``.
    """

    state: Any = None
    lengths: Tensor | None = None
    runtime: dict[str, str] = field(default_factory=dict)

    def run(self, inputs: Tensor, state: Any = None, *, lengths: Any = None) -> tuple[Tensor, Any]:
        """Return output and final state, as the node computes them.

        It differs from a call of ``rnn`` in three points: a node that reads from the end gets its inputs reversed,
        state and lengths of the file are used, and the final state of a sequence of 0 steps is zero, as in engines.

        Args:
            inputs, state, lengths: as of a call of ``rnn``; None for what the file has.

        Returns:
            output (time, batch, hidden × directions) or batch first, and the final state, in the form of a call.

        Raises:
            UserError: as a call of ``rnn``.
        """
        state = self.state if state is None else state
        lengths = self.lengths if lengths is None else lengths
        valid = None if lengths is None else torch.as_tensor(lengths)
        output, final = self.rnn(self._turned(inputs, valid), state, lengths=lengths)
        output = self._turned(output, valid)
        if valid is None:
            return output, final
        empty = (valid == 0)[:, None].to(output.device)
        parts = [torch.where(empty, 0.0, part) for part in (final if isinstance(final, tuple) else (final,))]
        return output, tuple(parts) if isinstance(final, tuple) else parts[0]

    def _turned(self, values: Tensor, lengths: Tensor | None) -> Tensor:
        if not self.reverse:
            return values
        if self.rnn.batch_first:
            return backwards(values.transpose(0, 1), lengths).transpose(0, 1)
        return backwards(values, lengths)


@overload
def from_onnx(path: str | Path) -> dict[str, OnnxNode]:
    """Return every node."""


@overload
def from_onnx(path: str | Path, name: str) -> OnnxNode:
    """Return the node of a name."""


def from_onnx(path: str | Path, name: str | None = None) -> dict[str, OnnxNode] | OnnxNode:
    """Return every LSTM, GRU and RNN node of an ONNX file by its name, or the one of a name.

        >>> gatelab.to_onnx(gatelab.RNN("gru", 10, 64), "gate.onnx")
        >>> [(name, node.rnn.variant.name) for name, node in gatelab.from_onnx("gate.onnx").items()]
        [('GRU_0', 'gru')]

    The equations are what the node computes: peepholes, input_forget, clip, activations with alpha and beta,
    linear_before_reset, either layout, with or without B, opset 7 to the newest. Weights must be in the file, or beside
    it in its folder. No engine sees the file. It needs ``pip install 'gatelab[onnx]'``.

    Args:
        path: of the file.
        name: of the node to return; other nodes may then be ones that cannot be read. None for all nodes, as a mapping.

    Raises:
        UserError: a file that cannot be read, is damaged or too large; no such node; a node whose weights are not
            constant, or with an attribute, a shape or a number that is unknown or impossible: naming the node.
    """
    if name is None:
        return {node.name: node for node in found_in_onnx(path)}
    found = found_in_onnx(path, name)
    one = next((node for node in found if node.name == name), None)
    if one is None:
        names = " or ".join(one_line(node.name) for node in found)
        raise UserError(f"{shown(path)}: the directions of '{one_line(name)}' have other functions: choose {names}")
    return one


def found_in_onnx(path: str | Path, name: str | None = None) -> list[OnnxNode]:
    """Return every LSTM, GRU and RNN node of a file, or those of a name; see :func:`from_onnx`.

    Raises:
        UserError: as :func:`from_onnx`.
    """
    model = read_model(path)
    nodes = list(model.nodes())
    if not nodes:
        raise UserError(f"{model.where}: no LSTM, GRU or RNN node in it")
    titles = [title for title, _, _ in nodes]
    wanted = titles if name is None else [title for title in titles if name in (title, *_halves(title))]
    if not wanted:
        there = ", ".join(map(one_line, titles[:8])) + (f" and {len(titles) - 8} more" if len(titles) > 8 else "")
        raise UserError(f"{model.where}: no node '{one_line(name)}'{suggest(str(name), titles)}; there are {there}")
    return [one for title, node, scope in nodes if title in wanted for one in _networks(title, node, scope, model)]


def _halves(name: str) -> tuple[str, str]:
    return f"{name}.forward", f"{name}.reverse"


def _networks(name: str, node: Any, scope: Scope, model: ModelFile) -> Iterator[OnnxNode]:
    where = f"{model.where}, {node.op_type} node '{one_line(name)}'"
    settings = settings_of(node, model.opset, where)
    found = constants(node, scope, settings, model.folder, where)
    given = runtime(node, scope)
    directions = cells(settings, found)
    lengths = found.arrays.get("sequence_lens")
    valid = None if lengths is None else torch.from_numpy(lengths.astype("int64"))
    if lengths is not None and lengths.min() < 0:
        raise UserError(f"{where}: sequence_lens must be at least 0")
    at_run_time = "".join(f"; {key} is given at run time, by '{one_line(value)}'" for key, value in given.items())
    fixed = ", ".join(key for key in found.arrays if key in RUNTIME and found.arrays[key].any())
    in_file = f"; the file fixes {fixed}" if fixed else ""
    source = f"{node.op_type} node '{one_line(name)}' of {model.where}{at_run_time}{in_file}"
    split = len(directions) == 2 and directions[0].variant != directions[1].variant
    for index, parts in enumerate([[one] for one in directions] if split else [directions]):
        rnn = joined(parts, where, batch_first=settings.batch_first)
        yield OnnxNode(
            _halves(name)[index] if split else name,
            rnn,
            f"{source}; its {('forward', 'reverse')[index]} direction" if split else source,
            reverse=bool(index) or settings.direction == "reverse",
            state=_state(found.of(index) if split else found, rnn.variant.states, given, where),
            lengths=valid,
            runtime=given,
        )


def _state(found: Constants, states: Sequence[str], given: Mapping[str, str], where: str) -> Any:
    """Return the initial state in the file, in the form of a call; None if all of it is zero."""
    fixed = {key: array for key, array in found.arrays.items() if key.startswith("initial") and array.any()}
    if not fixed:
        return None
    key, shape = next((key, array.shape) for key, array in fixed.items())
    if other := next((other for other in given if other.startswith("initial")), None):
        raise UserError(f"{where}: {key} is in the file, and {other} is given at run time: must both be one of them")
    zeros = np.zeros(shape, found.arrays["R"].dtype)
    parts = tuple(torch.from_numpy(np.array(fixed.get(f"initial_{state}", zeros))) for state in states)
    return parts if len(parts) > 1 else parts[0]
