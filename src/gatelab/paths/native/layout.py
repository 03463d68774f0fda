"""What a call of compiled code needs besides its tensors: the library, sizes, and where each buffer lies in memory.

All of it follows from the program, the dtype and the shapes of the tensors, and is worked out once for each of them.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from gatelab.errors import UserError
from gatelab.language.sizes import Length, Lengths, columns_beside
from gatelab.paths.native.emit import emit
from gatelab.paths.native.places import LENGTH_NAMES
from gatelab.paths.native.program_library import load_program
from gatelab.paths.native.specification import Specification, vector_lengths

__all__ = ["BESIDE_PADDING", "Layout", "LayoutKey", "ShapeError", "layout"]

_LARGEST_TILE = 64  # sequences that one thread takes through time together
_TILE_STEP = 8  # rows of a block of the product
_ROWS_AHEAD = 32  # of x_t that meet the weights together, where one step has fewer than a block: measured
_LINE = 16  # numbers: buffers begin on cache lines
BESIDE_PADDING = 16  # numbers behind a row of what stands beside x: the longest vector may be read to its end
_OF_WAY = ("tape", "packed", "constants", "scratch")  # buffers of the forward pass beside the states


class ShapeError(UserError):
    """A tensor whose shape is not the one that the program needs."""


@dataclass(frozen=True)
class LayoutKey:
    """What decides a layout.

    Attributes:
        form: what runs.
        dtype: of all tensors.
        shapes: of inputs, states, matrices, biases and constants.
        lengths: whether sequences end at different steps.
        training: whether a backward pass follows.
        threads: how many may run.
    """

    form: Specification
    dtype: torch.dtype
    shapes: tuple[tuple[int, ...], ...]
    lengths: bool
    training: bool
    threads: int


class Layout:
    """Sizes and offsets of one kind of call.

    Attributes:
        plan: the program forwards and backwards.
        stacked: whether there is a run axis outside.
        runs, steps, batch: leading axes.
        x_width: length of a row of inputs in memory.
        states: (length, length in memory, steps in memory) of each state.
        outputs: (length, length in memory) of each output.
        counts: buffer -> how many numbers it holds.
        aliased: the state whose values, step by step, are the output as it leaves; None if there is none.
        forward, backward: offset of each buffer in the memory of each way, which holds ``forward_size`` and
            ``backward_size`` numbers.
        mark: offset in the memory of the forward pass of the number that says whether the tape is intact.
        names: of the tensors after the inputs.
        of_tensors, of_outputs: positions of the inputs and these tensors among the buffers, and of the outputs.
        of_forward: position and offset in bytes of each buffer in the memory of the forward pass.
        last: shape, strides and offset of each state's last values.
    """

    def __init__(self, call: LayoutKey) -> None:
        inputs, form = call.shapes[0], call.form
        self.call = call
        self.stacked = len(inputs) == 4
        self.runs = inputs[0] if self.stacked else 1
        self.steps, self.batch, self.input_size = inputs[-3:]
        hidden = form.hidden_size
        self.length = Lengths(self.input_size, hidden)
        vectors = vector_lengths(form, self.input_size, [shape[-1] for shape in call.shapes[1 : 1 + len(form.states)]])
        self.plan, of_states, of_constants = vectors.plan, vectors.states, vectors.constants
        equal = vectors.of_input == "hidden"
        code = emit(self.plan, of_states, of_constants, double=call.dtype == torch.float64, equal=equal)
        self.library = load_program(code.text, double=call.dtype == torch.float64)
        self.buffers, self.size_names = code.buffers, code.sizes
        self.positions = {name: position for position, name in enumerate(self.buffers)}
        self.names = (
            *(f"initial_{i}" for i in range(len(form.states))),
            *(f"weight_{i}" for i in range(sum(len(one.weights) for one in self.plan.stages.maps))),
            *(f"bias_{i}" for i, has in enumerate(form.biases) if has),
            *(f"constant_{i}" for i, _ in form.constants),
            *(("beside",) if form.program.variant.beside else ()),
        )
        self._check(of_states, of_constants, code.sources)
        lanes = self._measure(dict.fromkeys(code.sizes, 1))["lanes"]
        width = Lengths(*(-(-length // lanes) * lanes for length in self.length))
        reads = {p.kind for block in (*self.plan.forward, *self.plan.backward) for p in block.reads()}
        self.x_width = width.input if "input" in reads else self.input_size
        self.dx_width = width.input
        self.outputs = [(self.length.of(size), width.of(size)) for size in code.outputs]
        self.aliased = None
        for i, (name, size) in enumerate(of_states.items()):
            as_it_leaves = not call.lengths and width.of(size) == self.length.of(size)
            if as_it_leaves and self.aliased is None and form.program.states[name] == form.program.output:
                self.aliased = i
        depths = [
            self.steps if call.training or i == self.aliased else min(2, self.steps) for i in range(len(of_states))
        ]
        self.states = [(self.length.of(size), width.of(size), depths[i]) for i, size in enumerate(of_states.values())]
        share = -(-self.batch // -(-call.threads // self.runs))
        # then the batch is one tile
        ahead = max(1, min(_ROWS_AHEAD // self.batch, self.steps)) if 0 < self.batch < _TILE_STEP else 1
        sizes = {
            "runs": self.runs, "steps": self.steps, "batch": self.batch,
            **{name: self.length.of(length) for length, name in LENGTH_NAMES.items()},
            "threads": call.threads, "tile": min(_LARGEST_TILE, -(-share // _TILE_STEP) * _TILE_STEP),
            "ahead": ahead, "tape_depth": self.steps if call.training else ahead, "x_row": self.x_width,
            **{f"depth_{i}": depth for i, depth in enumerate(depths)},
            **({"beside_row": call.shapes[-1][-1]} if form.program.variant.beside else {}),
        }  # fmt: skip
        self.sizes = self._longs(sizes)
        self.counts = self._measure(sizes)
        back = {f"adjoint_{i}": 2 * self.runs * self.batch * wide for i, (_, wide, _) in enumerate(self.states)}
        for name in ("zeros", "packed_back", "pending", "sums", "gradients", "space", "scratch"):
            back[name] = self.counts[name]
        self.forward, self.forward_size = _offsets(self._way({name: self.counts[name] for name in _OF_WAY}))
        self.backward, self.backward_size = _offsets(back)
        self.mark = self.forward_size - _LINE
        self.of_tensors = [self.positions[name] for name in ("x", *self.names)]
        self.of_forward = [(self.positions[name], at * call.dtype.itemsize) for name, at in self.forward.items()]
        self.of_outputs = [self.positions[f"output_{number}"] for number in range(len(self.outputs))]
        self.last = [self._last(i) for i in range(len(self.states))]
        self._functions = {name: self.library[name] for name in ("forward", "backward")}
        self._table = ctypes.c_void_p * len(self.buffers)

    def _last(self, state: int) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """Return shape, strides and offset of a state's last values in the output or in the memory."""
        _, wide, depth = self.states[state]
        start = 0 if state == self.aliased else self.forward[f"state_{state}"]
        strides = (depth * self.batch * wide, wide, 1)
        offset = start + (self.steps - 1) % depth * self.batch * wide
        return self.final_shape(state), strides if self.stacked else strides[1:], offset

    def _way(self, of_way: Mapping[str, int], places: int | None = None) -> dict[str, int]:
        """Return how many numbers each buffer of the forward pass holds; ``places`` are sequences times steps."""
        way = dict(of_way)
        for i, (_, wide, depth) in enumerate(self.states):
            if i != self.aliased:
                way[f"state_{i}"] = (self.runs * depth * self.batch if places is None else places) * wide
        return way

    def kept(self, runs: int, steps: int, batch: int) -> int:
        """Return the numbers that training keeps at other sizes than these, which are 1 run, 1 step and 1 sequence.

        The sizes may be symbols: a tracer asks before there is a batch.
        """
        places = runs * steps * batch
        of_way = {"tape": places * self.counts["tape"]}
        of_way |= {name: runs * self.counts[name] for name in ("packed", "constants")}
        of_way["scratch"] = self.counts["scratch"]
        return _offsets(self._way(of_way, places))[1]

    def output_shape(self, number: int) -> tuple[int, ...]:
        """Return the shape of an output."""
        shape = (self.steps, self.batch, self.outputs[number][0])
        return (self.runs, *shape) if self.stacked else shape

    def final_shape(self, state: int) -> tuple[int, ...]:
        """Return the shape of a final state, given by its position."""
        shape = (self.batch, self.states[state][0])
        return (self.runs, *shape) if self.stacked else shape

    def run(self, function: str, pointers: Sequence[int]) -> None:
        """Call a function of the library."""
        self._functions[function](self.sizes, self.table(pointers))

    def table(self, pointers: Sequence[int]) -> Any:
        """Return the address of every buffer as the library reads them."""
        return self._table(*pointers)

    def _measure(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return how many numbers each buffer holds, and the lanes of a vector."""
        count = len(self.buffers)
        out = (ctypes.c_long * (count + 1))()
        self.library.measure(self._longs(sizes), (ctypes.c_void_p * count)(), out)
        return dict(zip((*self.buffers, "lanes"), out, strict=True))

    def _longs(self, sizes: Mapping[str, int]) -> Any:
        return (ctypes.c_long * len(self.size_names))(*(sizes[name] for name in self.size_names))

    def _check(
        self, of_states: Mapping[str, Length], of_constants: Mapping[int, Length], sources: Sequence[Length]
    ) -> None:
        """Refuse tensors that compiled code would read beyond their ends."""
        runs, hidden = self.call.shapes[0][:-3], self.call.form.hidden_size
        wanted: list[tuple[int, ...]] = [(*runs, self.batch, self.length.of(size)) for size in of_states.values()]
        wanted += [(*runs, hidden, self.length.of(source)) for source in sources]
        wanted += [(*runs, hidden)] * sum(self.call.form.biases)
        wanted += [runs if size == "one" else (*runs, self.length.of(size)) for size in of_constants.values()]
        if beside := self.call.form.program.variant.beside:
            width = columns_beside(beside, self.input_size, hidden) + BESIDE_PADDING
            wanted.append((*runs, self.steps, self.batch, width))
        for name, shape, needed in zip(self.names, self.call.shapes[1:], wanted, strict=True):
            if tuple(shape) != needed:
                raise ShapeError(f"{name} of shape {tuple(shape)}: must be {needed}")


@lru_cache(maxsize=512)
def layout(
    form: Specification,
    dtype: torch.dtype,
    shapes: tuple[tuple[int, ...], ...],
    lengths: bool,  # noqa: FBT001
    training: bool,  # noqa: FBT001
    threads: int,
) -> Layout:
    """Return the layout of a call, given by its attributes: looking it up costs less than making the call.

    Raises:
        UserError: the compiler is missing or fails.
    """
    return Layout(LayoutKey(form, dtype, shapes, lengths, training, threads))


def _offsets(counts: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Place buffers one after the other; return the offset of each, and the size of all with a line for a mark."""
    offsets: dict[str, int] = {}
    total = 0
    for name, count in counts.items():
        offsets[name] = total
        total += -(-count // _LINE) * _LINE
    # the line after the last buffer holds the mark of an intact tape
    return offsets, total + _LINE
