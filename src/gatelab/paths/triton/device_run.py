"""A run on a device: memory, products of whole sequences, and the kernels between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gatelab.compiler.graph import Place
from gatelab.language.sizes import Length, Lengths
from gatelab.paths.native.specification import Specification, vector_lengths
from gatelab.paths.triton.kernel_module import kernel_module
from gatelab.paths.triton.kernel_text import KernelText
from gatelab.paths.triton.streamed_text import StreamedText
from gatelab.paths.triton.tiling import Tiling

__all__ = ["DeviceRun", "Tape", "device_run"]


@dataclass
class Tape:
    """What the backward pass reads: buffers by name, tensors of the run, and the inputs without their padding."""

    buffers: dict[str, Tensor]
    tensors: tuple[Tensor, ...]
    inputs: Tensor


class DeviceRun:
    """How one kind of call runs: its kernels, and the shapes of its buffers.

    All tensors have a run axis here.
    """

    def __init__(
        self, form: Specification, input_size: int, state_sizes: tuple[int, ...], *, streamed: bool = False
    ) -> None:
        self.form, self.length = form, Lengths(input_size, form.hidden_size)
        vectors = vector_lengths(form, input_size, state_sizes)
        self.text = StreamedText(vectors) if streamed else KernelText(vectors)
        self.vectors, self.plan = vectors, vectors.plan
        self.kernels = self.text.kernels()
        self.module = kernel_module(self.kernels.text)
        self.states = [self.length.of(size) for size in vectors.states.values()]
        places = [Place("output", number=n) for n in range(len(self.plan.stages.outputs))]
        self.outputs = [self.length.of(vectors.place_size(place)) for place in places]

    # ---- tensors by what they stand for

    def named(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return tensors by the names that kernels have for them."""
        states = len(self.states)
        maps = self.plan.stages.maps
        names = [f"weight_{n}" for n in range(len(self.text.weights))]
        names += [f"bias_{one.value}" for one, has in zip(maps, self.form.biases, strict=True) if has]
        names += [f"constant_{i}" for i, _ in self.form.constants]
        initial = [f"initial_{i}" for i in range(states)]
        return dict(zip(("x", *initial, *names), tensors, strict=True))

    def forwards(
        self, tensors: Sequence[Tensor], lengths: Tensor | None, tiling: Tiling, *, keep: bool
    ) -> tuple[list[Tensor], Tape]:
        """Return outputs and final states, and what the backward pass reads.

        Args:
            tensors: inputs (runs, time, batch, input), states, weights, biases and constants, each with a run axis.
            lengths: (runs, batch), or None.
            tiling: how the kernels are launched.
            keep: whether a backward pass follows.
        """
        tensors = tuple(tensor.contiguous() for tensor in tensors)
        by_name = self.named(tensors)
        inputs = by_name["x"]
        runs, steps, batch, _ = inputs.shape
        if lengths is not None:
            inputs = by_name["x"] = _without_padding(inputs, lengths)
        buffers = self._buffers(inputs, keep=keep)
        self._hoist(by_name, inputs, buffers["hoisted"])
        for value in self.text.plain:
            if f"bias_{value}" not in by_name:
                by_name[f"bias_{value}"] = inputs.new_zeros((runs, self.form.hidden_size))
        results = {
            **{f"output_{n}": inputs.new_empty((runs, steps, batch, size)) for n, size in enumerate(self.outputs)},
            **{f"final_{i}": inputs.new_empty((runs, batch, size)) for i, size in enumerate(self.states)},
        }
        if keep:
            for i in range(len(self.states)):
                buffers[f"state_{i}"][:, 0] = by_name[f"initial_{i}"]
        self._launch("forward", {**by_name, **buffers, **results}, lengths, tiling, steps, batch, keep=keep)
        return list(results.values()), Tape(buffers, tensors, inputs)

    def backwards(
        self, tape: Tape, lengths: Tensor | None, tiling: Tiling, adjoints: Sequence[Tensor | None],
        needed: Sequence[bool],
    ) -> list[Tensor | None]:  # fmt: skip
        """Return the gradient of each tensor, None where it is not needed. The tape is used up.

        Args:
            tape: of :meth:`forwards`.
            lengths, tiling: as there.
            adjoints: the gradients of outputs and final states, None where none arrives.
            needed: for each tensor whether its gradient is wanted.
        """
        by_name, inputs = self.named(tape.tensors), tape.inputs
        by_name["x"] = inputs
        runs, steps, batch, _ = inputs.shape
        outputs = len(self.outputs)
        arriving: dict[str, Tensor] = {}
        flags: dict[str, bool] = {}
        for n, adjoint in enumerate(adjoints[:outputs]):
            flags[f"ARRIVES_{n}"] = adjoint is not None
            arriving[f"doutput_{n}"] = inputs if adjoint is None else adjoint.contiguous()
        for i, adjoint in enumerate(adjoints[outputs:]):
            shape = (runs, batch, self.states[i])
            arriving[f"dfinal_{i}"] = inputs.new_zeros(shape) if adjoint is None else adjoint.contiguous()
        leaving = {f"dinitial_{i}": _single(inputs, runs, batch, size) for i, size in enumerate(self.states)}
        tiles = tiling.tiles(batch)
        sums = {
            f"sums_{n}": _single(inputs, runs, tiles, self.length.of(size))
            for (_, size), n in self.vectors.sums.items()
        }
        dx = _single(inputs, *inputs.shape) if self.text.writes_dx else tape.buffers["hoisted"]
        values = {**by_name, **tape.buffers, **arriving, **leaving, **sums, "dx": dx}
        self._launch("backward", values, lengths, tiling, steps, batch, keep=True, flags=flags)
        found = self._gradients(tape, by_name, lengths, needed)
        if needed[0]:
            total = self._input_gradient(by_name, tape.buffers["hoisted"], inputs)
            found["x"] = total if not self.text.writes_dx else dx if total is None else total + dx
            if found["x"] is None:
                found["x"] = torch.zeros_like(inputs)
        found |= {f"initial_{i}": leaving[f"dinitial_{i}"] for i in range(len(self.states))}
        found |= self._constant_gradients(by_name, sums)
        return [
            found[name].to(tensor.dtype) if wanted else None
            for (name, tensor), wanted in zip(self.named(tape.tensors).items(), needed, strict=True)
        ]

    # ---- parts

    def _buffers(self, inputs: Tensor, *, keep: bool) -> dict[str, Tensor]:
        runs, steps, batch, _ = inputs.shape
        hidden = self.form.hidden_size

        def memory(*shape: int, needed: bool = True) -> Tensor:
            return _single(inputs, *(shape if needed else (1,)))

        buffers = {
            "hoisted": memory(runs, steps, batch, len(self.text.hoisted) * hidden),
            "plain": memory(runs, steps, batch, len(self.text.plain) * hidden, needed=keep),
        }
        for slot in self.text.kept:
            size = self.length.of(self.vectors.slot_sizes[slot])
            buffers[f"slot_{slot}"] = memory(runs, steps, batch, size, needed=keep)
        for i, size in enumerate(self.states):
            buffers[f"state_{i}"] = memory(runs, steps + 1, batch, size, needed=keep)
        return buffers

    def _input_weights(self, by_name: dict[str, Tensor], *, back: bool = False) -> dict[int, Tensor]:
        """Return the matrix that each hoisted map applies to x_t, by its column among them.

        One that reads x_t more than once has their sum. Backwards, what reads it as ``stop(x)`` hands on nothing.
        """
        matrices = {}
        for value, column in self.text.hoisted.items():
            one = self.text.maps[value]
            of_x = [
                by_name[f"weight_{self.text.weights[weight]}"]
                for source, weight in zip(one.sources, one.weights, strict=True)
                if self.text.is_input(source) and not (back and self.text.is_stopped(source))
            ]
            if of_x:
                matrices[column] = of_x[0] if len(of_x) == 1 else torch.stack(of_x).sum(0)
        return matrices

    def _hoist(self, by_name: dict[str, Tensor], inputs: Tensor, hoisted: Tensor) -> None:
        """Write bias + W x for all steps."""
        matrices = [*self._input_weights(by_name).values()]
        if not matrices:
            return
        runs, hidden = inputs.shape[0], self.form.hidden_size
        missing = inputs.new_zeros((runs, hidden))
        biases = torch.cat([by_name.get(f"bias_{value}", missing) for value in self.text.hoisted], -1)
        rows = inputs.flatten(1, 2)
        out = hoisted.flatten(1, 2)
        if inputs.dtype == torch.float32:
            torch.baddbmm(biases.unsqueeze(1), rows, torch.cat(matrices, 1).mT, out=out)
        else:
            out.copy_(torch.bmm(rows, torch.cat(matrices, 1).mT))
            out += biases.unsqueeze(1)

    def _input_gradient(self, by_name: dict[str, Tensor], deltas: Tensor, inputs: Tensor) -> Tensor | None:
        matrices = self._input_weights(by_name, back=True)
        if not matrices:
            return None
        rows = deltas.flatten(1, 2)
        if len(matrices) < len(self.text.hoisted):
            hidden = self.form.hidden_size
            rows = torch.cat([rows[..., column * hidden : (column + 1) * hidden] for column in matrices], -1)
        return torch.bmm(rows.to(inputs.dtype), torch.cat([*matrices.values()], 1)).view(inputs.shape)

    def _source(self, source: int, tape: Tape, lengths: Tensor | None) -> Tensor:
        """Return the values of a source at all steps, (runs, time · batch, size)."""
        place = self.plan.place(source)
        match place.kind:
            case "input":
                return tape.inputs.flatten(1, 2)
            case "slot":
                return tape.buffers[f"slot_{place.number}"].flatten(1, 2)
            case "previous" | "next":
                states = tape.buffers[f"state_{self.text.states[place.name]}"]
                part = states[:, :-1] if place.kind == "previous" else states[:, 1:]
                return (part if lengths is None else _without_padding(part, lengths)).flatten(1, 2)
            case kind:
                raise AssertionError(kind)

    def _gradients(
        self, tape: Tape, by_name: dict[str, Tensor], lengths: Tensor | None, needed: Sequence[bool]
    ) -> dict[str, Any]:
        """Return the gradients of weights and biases: large products of deltas and sources."""
        wanted = {name for name, want in zip(self.named(tape.tensors), needed, strict=True) if want}
        hidden = self.form.hidden_size
        found: dict[str, Any] = {}
        for name, maps in (("hoisted", self.text.hoisted), ("plain", self.text.plain)):
            if not maps:
                continue
            deltas = tape.buffers[name].flatten(1, 2)
            for value, column in maps.items():
                if f"bias_{value}" in wanted:
                    found[f"bias_{value}"] = deltas[..., column * hidden : (column + 1) * hidden].sum(1)
            for source, first, weights in self._stretches(maps):
                names = [f"weight_{self.text.weights[weight]}" for weight in weights]
                if not wanted.intersection(names):
                    continue
                part = deltas[..., first * hidden : (first + len(weights)) * hidden]
                values = self._source(source, tape, lengths)
                dtype = by_name[names[0]].dtype
                product = torch.bmm(part.mT.to(dtype), values.to(dtype))
                found |= dict(zip(names, product.split(hidden, 1), strict=True))
        return found

    def _stretches(self, maps: dict[int, int]) -> list[tuple[int, int, list[str]]]:
        """Return (source, first column, weights) of neighbouring maps that read a source: each is one product."""
        stretches: list[tuple[int, int, list[str]]] = []
        of_source: dict[tuple[int, int], list[tuple[int, str]]] = {}
        for value, column in maps.items():
            seen: dict[int, int] = {}
            one = self.text.maps[value]
            for source, weight in zip(one.sources, one.weights, strict=True):
                seen[source] = seen.get(source, -1) + 1
                of_source.setdefault((source, seen[source]), []).append((column, weight))
        for (source, _), pairs in of_source.items():
            for column, weight in pairs:
                if stretches and stretches[-1][0] == source and stretches[-1][1] + len(stretches[-1][2]) == column:
                    stretches[-1][2].append(weight)
                else:
                    stretches.append((source, column, [weight]))
        return stretches

    def _constant_gradients(self, by_name: dict[str, Tensor], sums: dict[str, Tensor]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for index, _ in self.form.constants:
            name = f"constant_{index}"
            size: Length = self.vectors.constants[index]
            total = torch.zeros(by_name[name].shape, dtype=torch.float32, device=by_name[name].device)
            for (constant, _), n in self.vectors.sums.items():
                if constant == index:
                    arrived = sums[f"sums_{n}"].sum(1)
                    total = total + (arrived.sum(-1) if size == "one" else arrived)
            found[name] = total
        return found

    def _launch(
        self, kernel: str, values: dict[str, Tensor], lengths: Tensor | None, tiling: Tiling, steps: int, batch: int,
        *, keep: bool, flags: dict[str, bool] | None = None,
    ) -> None:  # fmt: skip
        names = self.kernels.forward if kernel == "forward" else self.kernels.backward
        values["lengths"] = values["x"] if lengths is None else lengths
        runs, tiles = values["x"].shape[0], tiling.tiles(batch)
        more: dict[str, int] = dict(flags or {})
        if isinstance(self.text, StreamedText):
            shape = (runs, tiles, self.text.sources, tiling.rows, tiling.width)
            values["scratch"] = torch.empty(shape, dtype=values["x"].dtype, device=values["x"].device)
            more |= {"CHUNK": tiling.chunk, "WIDTH": tiling.width}
        getattr(self.module, kernel)[tiles, runs](
            *(values[name] for name in names), steps, batch,
            H=self.form.hidden_size, I=self.length.input, HP=tiling.hidden, IP=tiling.input, ROWS=tiling.rows,
            ENDS=lengths is not None, KEEP=keep, PRODUCTS=tiling.products, **more, **tiling.options,
        )  # fmt: skip


def _single(model: Tensor, *shape: int) -> Tensor:
    """Return memory in single precision where a tensor lies."""
    return torch.empty(shape, dtype=torch.float32, device=model.device)


def _without_padding(values: Tensor, lengths: Tensor) -> Tensor:
    """Return values (runs, time, batch, size) with zeros after the end of each sequence."""
    steps = torch.arange(values.shape[1], device=values.device)
    valid = steps[:, None] < lengths[:, None, :]
    return torch.where(valid.unsqueeze(-1), values, 0)


@lru_cache(maxsize=256)
def device_run(
    form: Specification, input_size: int, state_sizes: tuple[int, ...], *, streamed: bool = False
) -> DeviceRun:
    """Return how a form runs on vectors of these lengths, weights held on the chip or read at every step."""
    return DeviceRun(form, input_size, state_sizes, streamed=streamed)
