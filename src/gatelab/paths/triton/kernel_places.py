"""Where kernels find every value, as Triton: names of buffers, addresses of tiles, masks."""

from collections.abc import Iterable

from gatelab.compiler.adjoint import ProductAdjoint
from gatelab.compiler.graph import Place
from gatelab.compiler.plan_lengths import PlanLengths
from gatelab.compiler.program import unstopped
from gatelab.language.sizes import Length, filled
from gatelab.paths.triton.block_lines import BlockLines, columns_of, count_of

__all__ = ["BARRIER", "CONSTANTS", "HEAD", "KernelPlaces", "where_running"]

CONSTANTS = ("H", "I", "HP", "IP", "ROWS", "ENDS", "KEEP", "PRODUCTS")
"""What is known when a kernel is compiled: lengths and the powers of two that hold them, sequences of a tile, whether
sequences end at different steps, whether a backward pass follows, and how products of single precision are rounded."""

BARRIER = "tl.debug_barrier()"
"""Before what a step stores: it goes where the step has read, and nothing else says that all threads have done so."""

HEAD = '''"""Written by gatelab from the equations of a variant."""

import triton
import triton.language as tl

from gatelab.paths.triton.device_functions import (
    clipped, hyperbolic_tangent, log_of_one_plus, logistic, operand, raised,
)
'''


class KernelPlaces:
    """Where kernels find the values of a plan.

    Attributes:
        maps: every affine map by its value.
        hoisted, plain: those that read x_t and those that do not: their columns in the two buffers.
        weights: position of every weight matrix among those of all maps.
        kept: slots beside the maps that the forward pass writes.
        kept_maps: maps of which it writes something.
    """

    def __init__(self, lengths: PlanLengths) -> None:
        self.at, self.plan = lengths, lengths.plan
        self.blocks = BlockLines(lengths)
        self.maps = {one.value: one for one in self.plan.stages.maps}
        reads_x = {value: any(map(self.is_input, one.sources)) for value, one in self.maps.items()}
        self.hoisted = {value: n for n, value in enumerate(v for v in self.maps if reads_x[v])}
        self.plain = {value: n for n, value in enumerate(v for v in self.maps if not reads_x[v])}
        self.weights = {w: n for n, w in enumerate(w for one in self.maps.values() for w in one.weights)}
        self.states = {name: number for number, name in enumerate(lengths.states)}
        self._map_of_slot = {slot: value for value, slot in self.plan.slots.items()}
        read = {p.number for block in self.plan.backward for p in block.reads() if p.kind == "slot"}
        places = [self.plan.place(source) for source in self.plan.stages.sources]
        read |= {place.number for place in places if place.kind == "slot"}
        self.kept = sorted(slot for slot in read if slot not in self._map_of_slot)
        self.kept_maps = {self._map_of_slot[slot] for slot in read if slot in self._map_of_slot}
        self.reads_x = any(p.kind == "input" for b in (*self.plan.forward, *self.plan.backward) for p in b.reads())
        self.writes_dx = any(s.place.kind == "input_adjoint" and not _is_zero(b.nodes[s.node])
                             for b in self.plan.backward for s in b.stores)  # fmt: skip

    def is_input(self, source: int) -> bool:
        """Say whether a source is x_t itself, stopped or not: its products are made before the first step."""
        instructions = self.at.program.instructions
        return instructions[unstopped(instructions, source)].kind == "input"

    def is_stopped(self, source: int) -> bool:
        """Say whether a source hands on nothing of what arrives at it."""
        instructions = self.at.program.instructions
        return unstopped(instructions, source) != source

    def size(self, source: int) -> Length:
        """Return the length of a source."""
        return filled(self.at.sizes_of[source])

    def adjoints(self, stage: int) -> list[ProductAdjoint]:
        """Return the adjoints of products of a stage that are made step by step."""
        return [one for one in self.plan.products[stage] if not self.is_input(one.source)]

    # ---- what both begin with

    def begin(self, name: str, arguments: Iterable[str], constants: Iterable[str]) -> list[str]:
        """Return the head of a kernel: its arguments, the sequences of its tile, masks, and what no step changes."""
        typed = [f"{constant}: tl.constexpr" for constant in constants]
        return [
            "@triton.jit",
            f"def {name}(",
            *_wrapped([*arguments, "steps", "batch", *typed]),
            "):",
            "    run = tl.program_id(1).to(tl.int64)",
            "    b = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]",
            "    columns_H = tl.arange(0, HP)[None, :]",
            "    columns_I = tl.arange(0, IP)[None, :]",
            "    here = b < batch",
            "    mask_H = here & (columns_H < H)",
            "    mask_I = here & (columns_I < I)",
            "    if ENDS:",
            "        length = tl.load(lengths + run * batch + b, mask=here, other=0)",
            *(f"    {line}" for i in self.plan.constants for line in self._constant(i)),
        ]

    def _constant(self, index: int) -> list[str]:
        size = self.at.constants[index]
        if size == "one":
            return [f"c{index} = tl.load(constant_{index} + run + tl.zeros([1, 1], tl.int32)).to(tl.float32)"]
        columns, count = columns_of(size), count_of(size)
        where = f"constant_{index} + run * {count} + {columns}, mask={columns} < {count}, other=0.0"
        return [f"c{index} = tl.load({where}).to(tl.float32)"]

    def address(self, place: Place, t: str = "t") -> tuple[str, Length]:
        """Return where the tile of a place lies in memory, without the mask, and the length of its vector."""
        size = self.at.place_size(place)
        count, columns = count_of(size), columns_of(size)
        match place.kind:
            case "slot" if place.number in self._map_of_slot:
                value = self._map_of_slot[place.number]
                name, maps = ("hoisted", self.hoisted) if value in self.hoisted else ("plain", self.plain)
                row = f"{name} + (run * steps + {t}) * batch * {len(maps)} * H"
                return f"{row} + b * ({len(maps)} * H) + ({maps[value]} * H + columns_H)", "hidden"
            case "slot":
                name, rows, step = f"slot_{place.number}", "steps", t
            case "previous":
                name, rows, step = f"state_{self.states[place.name]}", "(steps + 1)", t
            case "next":
                name, rows, step = f"state_{self.states[place.name]}", "(steps + 1)", f"({t} + 1)"
            case "output":
                name, rows, step = f"output_{place.number}", "steps", t
            case "input" | "input_adjoint":
                name, rows, step = ("x" if place.kind == "input" else "dx"), "steps", t
            case kind:
                raise AssertionError(kind)
        return f"{name} + (run * {rows} + {step}) * batch * {count} + b * {count} + {columns}", size

    def loaded(self, place: Place) -> str:
        """Return the load of the tile of a place."""
        where, size = self.address(place)
        return f"tl.load({where}, mask=mask_{count_of(size)}, other=0.0).to(tl.float32)"

    def stored(self, place: Place, value: str) -> str:
        """Return the statement that stores a value at a place."""
        where, size = self.address(place)
        return f"tl.store({where}, {value}, mask=mask_{count_of(size)})"


def where_running(name: str, otherwise: str) -> list[str]:
    """Replace a value where a sequence has ended."""
    return ["if ENDS:", f"    {name} = tl.where(running, {name}, {otherwise})"]


def _is_zero(node: object) -> bool:
    return getattr(node, "kind", "") == "number" and getattr(node, "value", 1.0) == 0


def _wrapped(names: list[str]) -> list[str]:
    """Return the lines of a list of arguments."""
    return [f"    {', '.join(names[i : i + 8])}," for i in range(0, len(names), 8)]
