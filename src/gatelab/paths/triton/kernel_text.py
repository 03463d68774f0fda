"""Triton from a plan: the whole run over a tile of sequences, forwards and backwards, as one source text.

A program instance takes ROWS sequences of one run through all steps. Weights, states and the adjoints of states stay on
the chip; of each step it reads what stands before the first step (``hoisted``: products of x_t and biases) and writes
what the backward pass needs, where tape.py has put it:

    hoisted (runs, time, batch, maps)   affine maps that read x_t; then activations, then deltas
    plain   likewise                    the other affine maps
    slot_k  (runs, time, batch, size)   further slots of the tape
    state_i (runs, time + 1, batch, size)   the initial state, then the state after each step
    sums_k  (runs, tiles, size)         what has arrived at a constant

The text is made of checked instructions: numbers, indices and names of this room. No name and no text of a variant file
enters it.
"""

from dataclasses import dataclass
from functools import cached_property

from gatelab.compiler.graph import Place
from gatelab.compiler.stages import Affine
from gatelab.language.sizes import Length
from gatelab.paths.triton.block_lines import columns_of, count_of, function_text, width_of
from gatelab.paths.triton.kernel_places import BARRIER, CONSTANTS, HEAD, KernelPlaces, where_running

__all__ = ["KernelText", "Kernels"]


@dataclass(frozen=True)
class Kernels:
    """A source text and how to call it.

    Attributes:
        text: Python with the kernels ``forward`` and ``backward``.
        forward, backward: names of the pointers that each takes, in order, before ``steps``, ``batch`` and
            :data:`CONSTANTS`.
    """

    text: str
    forward: tuple[str, ...]
    backward: tuple[str, ...]


class KernelText(KernelPlaces):
    """Writes the kernels of a plan, weights held on the chip.

    Attributes:
        constants: names of what is known when they are compiled.
        memory: pointers that both take beside those of the plan.
    """

    constants: tuple[str, ...] = CONSTANTS
    memory: tuple[str, ...] = ()

    def before_steps(self, weight: str, size: Length, *, transposed: bool) -> list[str]:
        """Load a matrix (hidden, source) of a run: transposed for the forward pass."""
        number, count = self.weights[weight], count_of(size)
        if transposed:
            rows, columns = f"tl.arange(0, {width_of(size)})[:, None]", "columns_H"
            offset, mask = f"columns_H * {count} + w_rows", f"(w_rows < {count}) & (columns_H < H)"
        else:
            rows, columns = "tl.arange(0, HP)[:, None]", columns_of(size)
            offset, mask = f"w_rows * {count} + {columns}", f"(w_rows < H) & ({columns} < {count})"
        return [
            f"    w_rows = {rows}",
            f"    w{number} = tl.load(weight_{number} + run * H * {count} + {offset}, mask={mask}, other=0.0)",
        ]

    def multiplied(self, value: str, size: Length, weight: str, *, transposed: bool) -> tuple[list[str], str]:
        """Return statements, and then the product of a value and a matrix (hidden, source), or its transpose.

        Args:
            value: name of the left side.
            size: length of the source.
            weight: the matrix.
            transposed: forwards, the value is the source; else it is as long as a hidden vector.
        """
        held, left = f"w{self.weights[weight]}", size if transposed else "hidden"
        operand = f"operand({value}, {columns_of(left)}, {count_of(left)}, {width_of(left)}, ROWS, {held})"
        return [], f"tl.dot({operand}, {held}, input_precision=PRODUCTS)"

    def kernels(self) -> Kernels:
        """Write both kernels."""
        forward, backward = self._forward(), self._backward()
        text = "\n\n".join((HEAD, function_text(forward + backward), forward, backward)) + "\n"
        return Kernels(text, self._arguments_forward, self._arguments_backward)

    @cached_property
    def _arguments_forward(self) -> tuple[str, ...]:
        return (
            "x", "lengths", "hoisted", "plain", *(f"slot_{k}" for k in self.kept),
            *(f"{kind}_{i}" for i in self.states.values() for kind in ("initial", "state", "final")),
            *(f"output_{n}" for n in range(len(self.plan.stages.outputs))),
            *(f"weight_{n}" for n in self._held_forward().values()),
            *(f"bias_{value}" for value in self.plain),
            *(f"constant_{i}" for i in self.plan.constants), *self.memory,
        )  # fmt: skip

    @cached_property
    def _arguments_backward(self) -> tuple[str, ...]:
        return (
            "x", "lengths", "hoisted", "plain", *(f"slot_{k}" for k in self.kept),
            *(f"{kind}_{i}" for i in self.states.values() for kind in ("state", "dfinal", "dinitial")),
            *(f"doutput_{n}" for n in range(len(self.plan.stages.outputs))),
            *(f"weight_{n}" for n in self._held_backward().values()),
            *(f"constant_{i}" for i in self.plan.constants),
            *(f"sums_{n}" for n in self.at.sums.values()), "dx", *self.memory,
        )  # fmt: skip

    def _held_forward(self) -> dict[str, int]:
        pairs = [
            (weight, self.weights[weight])
            for one in self.maps.values()
            for source, weight in zip(one.sources, one.weights, strict=True)
            if not self.is_input(source)
        ]
        return dict(pairs)

    def _held_backward(self) -> dict[str, int]:
        return {
            weight: self.weights[weight]
            for stage in range(len(self.plan.products))
            for one in self.adjoints(stage)
            for _, weight in one.maps
        }

    # ---- forwards

    def _forward(self) -> str:
        lines = self.begin("forward", self._arguments_forward, self.constants)
        for one in self.maps.values():
            for source, weight in zip(one.sources, one.weights, strict=True):
                if not self.is_input(source):
                    lines += self.before_steps(weight, self.size(source), transposed=True)
        for value in self.plain:
            where = f"bias_{value} + run * H + columns_H, mask=columns_H < H, other=0.0"
            lines.append(f"    bias{value} = tl.load({where}).to(tl.float32)")
        for name, i in self.states.items():
            count, columns = count_of(self.at.states[name]), columns_of(self.at.states[name])
            where = f"initial_{i} + (run * batch) * {count} + b * {count} + {columns}"
            lines.append(f"    s{i} = tl.load({where}, mask=mask_{count}, other=0.0).to(tl.float32)")
        lines.append("    for t in range(steps):")
        lines += [f"        {line}" for line in self._step_forward()]
        for name, i in self.states.items():
            count, columns = count_of(self.at.states[name]), columns_of(self.at.states[name])
            where = f"final_{i} + (run * batch) * {count} + b * {count} + {columns}"
            lines.append(f"    tl.store({where}, s{i}, mask=mask_{count})")
        return "\n".join(lines)

    def _step_forward(self) -> list[str]:
        lines = ["if ENDS:", "    running = t < length"]
        env: dict[Place, str] = {Place("previous", name): f"s{i}" for name, i in self.states.items()}
        env |= {Place("constant", number=i): f"c{i}" for i in self.plan.constants}
        for value in self.hoisted:
            lines.append(f"p{value} = {self.loaded(Place('slot', number=self.plan.slots[value]))}")
        reads_x = any(p.kind == "input" for block in self.plan.forward for p in block.reads())
        if reads_x:
            lines.append(f"x_t = {self.loaded(Place('input'))}")
            env[Place("input")] = "x_t"
        for stage, block in enumerate(self.plan.forward):
            for one in self.maps.values():
                if one.stage == stage:
                    lines += self._product(one, env)
                    env[Place("slot", number=self.plan.slots[one.value])] = f"p{one.value}"
            written = self.blocks.write(block, f"f{stage}_", env.__getitem__)
            lines += written.lines
            for number, (store, stored) in enumerate(written.stores):
                name = f"r{stage}_{number}"
                lines.append(f"{name} = {stored}")
                env[store.place] = name
        return lines + self._leaving_forward(env)

    def _product(self, one: Affine, env: dict[Place, str]) -> list[str]:
        """Write an affine map: what it adds is loaded before and added after its products."""
        lines = []
        total = f"p{one.value}" if one.value in self.hoisted else f"bias{one.value}"
        for source, weight in zip(one.sources, one.weights, strict=True):
            if self.is_input(source):
                continue
            value = env[self.plan.place(source)]
            before, term = self.multiplied(value, self.size(source), weight, transposed=True)
            lines += before
            total += f" + {term}"
        lines.append(f"p{one.value} = {total}")
        return lines

    def _leaving_forward(self, env: dict[Place, str]) -> list[str]:
        """Write what leaves a step: outputs, states, what is kept. A sequence that has ended keeps its states."""
        lines = [BARRIER]
        for number in range(len(self.plan.stages.outputs)):
            value = env[place := Place("output", number=number)]
            lines += [*where_running(value, "0.0"), self.stored(place, value)]
        keep = []
        for place in [Place("slot", number=self.plan.slots[value]) for value in self.maps if value in self.kept_maps]:
            keep += [*where_running(env[place], "0.0"), self.stored(place, env[place])]
        for place in [Place("slot", number=slot) for slot in self.kept]:
            keep += [*where_running(env[place], "0.0"), self.stored(place, env[place])]
        for name, i in self.states.items():
            value = env[Place("next", name)]
            lines += [f"n{i} = {value}", *where_running(f"n{i}", f"s{i}")]
            keep.append(self.stored(Place("next", name), f"n{i}"))
        lines += [f"s{i} = n{i}" for i in self.states.values()]
        return lines + (["if KEEP:", *(f"    {line}" for line in keep)] if keep else [])

    # ---- backwards

    def _backward(self) -> str:
        outputs = [f"ARRIVES_{n}" for n in range(len(self.plan.stages.outputs))]
        lines = self.begin("backward", self._arguments_backward, (*self.constants, *outputs))
        for stage in range(len(self.plan.products)):
            for one in self.adjoints(stage):
                for _, weight in one.maps:
                    lines += self.before_steps(weight, self.size(one.source), transposed=False)
        for name, i in self.states.items():
            count, columns = count_of(self.at.states[name]), columns_of(self.at.states[name])
            where = f"dfinal_{i} + (run * batch) * {count} + b * {count} + {columns}"
            lines.append(f"    d{i} = tl.load({where}, mask=mask_{count}, other=0.0).to(tl.float32)")
        for (_, size), n in self.at.sums.items():
            lines.append(f"    a{n} = tl.zeros([ROWS, {width_of(size)}], tl.float32)")
        lines += ["    for back in range(steps):", "        t = steps - 1 - back"]
        lines += [f"        {line}" for line in self._step_backward()]
        for name, i in self.states.items():
            count, columns = count_of(self.at.states[name]), columns_of(self.at.states[name])
            where = f"dinitial_{i} + (run * batch) * {count} + b * {count} + {columns}"
            lines.append(f"    tl.store({where}, d{i}, mask=mask_{count})")
        for (_, size), n in self.at.sums.items():
            count, columns = count_of(size), columns_of(size)
            where = f"sums_{n} + (run * tl.num_programs(0) + tl.program_id(0)) * {count} + {columns}"
            lines.append(f"    tl.store({where}, tl.sum(a{n}, axis=0, keep_dims=True), mask={columns} < {count})")
        return "\n".join(lines)

    def _step_backward(self) -> list[str]:
        lines = ["if ENDS:", "    running = t < length"]
        env: dict[Place, str] = {Place("arriving", name): f"d{i}" for name, i in self.states.items()}
        env |= {Place("constant", number=i): f"c{i}" for i in self.plan.constants}
        lines += self._loads_backward(env)
        deltas: dict[int, str] = {}
        ends: list[str] = []
        for stage in range(len(self.plan.backward) - 1, -1, -1):
            written = self.blocks.write(self.plan.backward[stage], f"g{stage}_", env.__getitem__)
            lines += written.lines
            for number, (store, value) in enumerate(written.stores):
                name = f"q{stage}_{number}"
                match store.place.kind:
                    case "slot":
                        deltas[store.place.number] = name
                        lines += [f"{name} = {value}", *where_running(name, "0.0")]
                        ends.append(self.stored(store.place, name))
                    case "constant_adjoint":
                        size = self.at.store_size(
                            store.place, self.at.node_sizes(self.plan.backward[stage])[store.node]
                        )
                        n = self.at.sums[store.place.number, size]
                        lines += [f"{name} = tl.where(here, {value}, 0.0)", *where_running(name, "0.0")]
                        lines.append(f"a{n} += {name}")
                    case _:
                        added = f"{env[store.place]} + {value}" if store.adds and store.place in env else value
                        lines.append(f"{name} = {added}")
                        env[store.place] = name
            lines += self._products_backward(stage, deltas, env)
        if self.writes_dx:
            name = env[Place("input_adjoint")]
            ends += [*where_running(name, "0.0"), self.stored(Place("input_adjoint"), name)]
        for name, i in self.states.items():
            lines += [f"e{i} = {env[Place('leaving', name)]}", *where_running(f"e{i}", f"d{i}")]
        lines += [BARRIER, *ends]
        return lines + [f"d{i} = e{i}" for i in self.states.values()]

    def _loads_backward(self, env: dict[Place, str]) -> list[str]:
        """Load all that a step reads from memory, before anything is computed."""
        lines = []
        places = sorted(
            {p for block in self.plan.backward for p in block.reads()}, key=lambda p: (p.kind, p.name, p.number)
        )
        for number, place in enumerate(places):
            if place.kind in ("slot", "previous", "next", "input"):
                env[place] = f"l{number}"
                lines.append(f"l{number} = {self.loaded(place)}")
            elif place.kind == "output":
                env[place] = f"l{number}"
                width = width_of(self.at.place_size(place))
                lines += [
                    f"if ARRIVES_{place.number}:",
                    f"    l{number} = {self.loaded(place).replace('output_', 'doutput_', 1)}",
                    "else:",
                    f"    l{number} = tl.zeros([ROWS, {width}], tl.float32)",
                ]
        return lines

    def _products_backward(self, stage: int, deltas: dict[int, str], env: dict[Place, str]) -> list[str]:
        lines = []
        for number, one in enumerate(self.adjoints(stage)):
            terms = []
            for value, weight in one.maps:
                delta = deltas[self.plan.slots[value]]
                before, term = self.multiplied(delta, self.size(one.source), weight, transposed=False)
                lines += before
                terms.append(term)
            total = " + ".join([env[one.place], *terms] if one.adds and one.place in env else terms)
            lines.append(f"m{stage}_{number} = {total}")
            env[one.place] = f"m{stage}_{number}"
        return lines
