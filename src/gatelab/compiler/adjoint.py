"""A program, forwards and backwards, as element-wise blocks between products, and what the backward pass needs.

The adjoint of a program is a program of the same shape: stages in reverse; within a block every instruction v = f(u, …)
hands the adjoint v̄ that has arrived at it on to what it reads, ū += v̄·∂f/∂u, in reverse order; and a product
v = W u hands on ū += Wᵀ v̄. The adjoint of an affine map is called its *delta*. Weight gradients, v̄ uᵀ summed over all
steps and sequences, need deltas and sources only and are left to one large product at the end.

Values of the forward pass are read where tape.py has put them, or computed again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from gatelab.compiler.graph import Block, Graph, Place, handed_on, hands_on
from gatelab.compiler.program import Instruction, Program, unstopped
from gatelab.compiler.stages import Group, Stages, stages
from gatelab.compiler.tape import homes_of
from gatelab.language.ordering import ordered

__all__ = ["ProductAdjoint", "ProgramPlan", "plan"]


@dataclass(frozen=True)
class ProductAdjoint:
    """source adjoint (+)= Σ weightᵀ · delta over the maps of one stage that read the source.

    Attributes:
        source: the value read.
        place: where its adjoint is gathered.
        adds: whether something stands there already.
        maps: (index of the affine value, weight) of each map.
    """

    source: int
    place: Place
    adds: bool
    maps: tuple[tuple[int, str], ...]


@dataclass(frozen=True, eq=False)
class ProgramPlan:
    """All that a path needs to run a program forwards and backwards.

    Attributes:
        stages: the program in stages.
        slots: affine value -> its slot. Maps of a group lie side by side.
        homes: element-wise value -> where it stays after its block.
        slot_count: slots of the tape.
        forward: for each stage the block after its products.
        backward: for each stage the adjoint of that block; they run from the last to the first.
        products: for each stage the adjoints of its products; they run after the block's.
        constants: instructions that no step changes, read by blocks.
        pending: values whose adjoint travels from block to block.
    """

    stages: Stages
    slots: dict[int, int]
    homes: dict[int, Place]
    slot_count: int
    forward: tuple[Block, ...]
    backward: tuple[Block, ...]
    products: tuple[tuple[ProductAdjoint, ...], ...]
    constants: tuple[int, ...]
    pending: tuple[int, ...]

    def place(self, source: int) -> Place:
        """Return where a product finds its source."""
        return _raw(self.stages.program, source) or self.homes[source]


@lru_cache(maxsize=256)
def plan(program: Program, record: tuple[str, ...] = ()) -> ProgramPlan:
    """Return the plan of a program; ``record`` names equations whose values leave at every step too."""
    cut = stages(program, record)
    slots = {one.value: slot for slot, one in enumerate(cut.maps)}
    # a first pass that reads every value from its own place shows which ones the backward pass needs
    everything = {i: Place("slot", number=-1 - i) for block in cut.blocks for i in block}
    first = _Writer(cut, slots, everything, {})
    reads = {place.number for block in first.backward()[0] for place in block.reads() if place.kind == "slot"}
    needed = {-1 - number for number in reads if number < 0}
    needed_maps = {one for one, slot in slots.items() if slot in reads}
    homes, copies, count = homes_of(cut, slots, needed, needed_maps)
    writer = _Writer(cut, slots, homes, copies)
    backward, products, pending = writer.backward()
    forward = writer.forward()
    read = {p.number for block in (*forward, *backward) for p in block.reads() if p.kind == "constant"}
    return ProgramPlan(
        cut, slots, {**homes, **copies}, count, forward, backward, products, tuple(sorted(read)), pending
    )


def _raw(program: Program, index: int) -> Place | None:
    """Return the place of a value that is read as it is: x_t, a state, a constant."""
    if program.instructions[index].phase == "once":
        return None if program.instructions[index].kind == "number" else Place("constant", number=index)
    instruction = program.instructions[unstopped(program.instructions, index)]
    if instruction.kind == "input":
        return Place("beside", instruction.name) if instruction.name else Place("input")
    if instruction.kind == "state":
        return Place("previous", instruction.name)
    return None


class _Writer:
    """Writes the blocks of a program, values standing where ``homes`` says."""

    def __init__(self, cut: Stages, slots: dict[int, int], homes: dict[int, Place], copies: dict[int, Place]) -> None:
        self.cut, self.slots, self.homes, self.copies = cut, slots, homes, copies
        self.program = cut.program
        self.last = len(cut.blocks) - 1
        self.carrying = _carrying(self.program)
        # state and output places by the value that goes there, in the block where it is there
        self.leaving: list[dict[int, list[Place]]] = [{} for _ in cut.blocks]
        leaving = [(index, Place("next", state)) for state, index in self.program.states.items()]
        for index, place in [*leaving, *((index, Place("output", number=i)) for i, index in enumerate(cut.outputs))]:
            self.leaving[cut.block_of.get(index, self.last)].setdefault(index, []).append(place)
        # maps by the first block that reads them, groups by the stage in which they run
        self.first_read: list[list[int]] = [[] for _ in cut.blocks]
        for one, first in cut.first_use.items():
            self.first_read[first].append(one)
        self.groups: list[list[Group]] = [[] for _ in cut.blocks]
        for group in cut.groups:
            self.groups[group.stage].append(group)

    def forward(self) -> tuple[Block, ...]:
        """Write the block of each stage."""
        blocks = []
        for stage, members in enumerate(self.cut.blocks):
            graph = Graph()
            values: dict[int, int] = {}

            def value(index: int, graph: Graph = graph, values: dict[int, int] = values) -> int:
                if index not in values:
                    values[index] = self._read(graph, index)
                return values[index]

            for index in members:
                arguments = tuple(value(argument) for argument in self.program.instructions[index].arguments)
                values[index] = _lower(graph, self.program.instructions[index], arguments)
                if index in self.homes and self.homes[index].kind == "slot":
                    graph.store(self.homes[index], values[index])
            for index, places in self.leaving[stage].items():
                for place in places:
                    graph.store(place, value(index))
            for index in self.first_read[stage]:
                if index in self.copies:
                    graph.store(self.copies[index], value(index))
            blocks.append(graph.block())
        return tuple(blocks)

    def backward(self) -> tuple[tuple[Block, ...], tuple[tuple[ProductAdjoint, ...], ...], tuple[int, ...]]:
        """Write the adjoints of the blocks and of the products; return also the values with pending adjoints."""
        blocks: list[Block] = []
        products: list[tuple[ProductAdjoint, ...]] = []
        pending: dict[int, None] = {}
        for stage in range(self.last, -1, -1):
            blocks.append(self._block_backward(stage, pending))
            products.append(self._products_backward(stage, pending))
        return tuple(reversed(blocks)), tuple(reversed(products)), tuple(pending)

    def _block_backward(self, stage: int, pending: dict[int, None]) -> Block:
        graph = Graph()
        again: dict[int, int] = {}
        arrived: dict[int, list[int]] = {}

        def value(index: int) -> int:
            """Read a value of the forward pass, or compute it again."""
            for one in () if index in again else ordered([index], parts):
                if one in again:
                    continue
                if is_read(one):
                    again[one] = self._read(graph, one)
                else:
                    instruction = self.program.instructions[one]
                    again[one] = _lower(
                        graph, instruction, tuple(again[argument] for argument in instruction.arguments)
                    )
            return again[index]

        def is_read(index: int) -> bool:
            return index not in self.cut.block_of or index in self.homes

        def parts(index: int) -> Iterable[int]:
            return () if index in again or is_read(index) else self.program.instructions[index].arguments

        for index, places in self.leaving[stage].items():
            for place in places if index in self.carrying else ():
                from_outside = place if place.kind == "output" else Place("arriving", place.name)
                arrived.setdefault(index, []).append(graph.read(from_outside))
        mine = [*self.cut.blocks[stage], *self.first_read[stage]]
        for index in mine:
            if index in pending:
                arrived.setdefault(index, []).append(graph.read(Place("pending", number=index)))
        for index in reversed(self.cut.blocks[stage]):
            adjoint = graph.sum(arrived.pop(index, []))
            if graph.nodes[adjoint].kind != "number":
                for argument, part in self._handed_on(graph, index, adjoint, value):
                    arrived.setdefault(argument, []).append(part)
        self._store_adjoints(graph, stage, arrived, pending)
        return graph.block()

    def _handed_on(self, graph: Graph, index: int, adjoint: int, value: Callable[[int], int]) -> list[tuple[int, int]]:
        """Return (argument, what the adjoint of a value adds to the argument's)."""
        instruction = self.program.instructions[index]
        arguments = instruction.arguments
        carrying = [argument in self.carrying for argument in arguments]
        if not any(carrying):
            return []
        if instruction.kind == "negate":
            return [(arguments[0], graph.negate(adjoint))]
        if instruction.kind == "function":
            values = tuple(value(argument) for argument in arguments)
            shares = [
                (argument, handed_on(graph, instruction.name, i, values, value(index), adjoint))
                for i, argument in enumerate(arguments) if carrying[i]
            ]  # fmt: skip
            return [(argument, share) for argument, share in shares if share is not None]
        left, right = arguments
        match instruction.name:
            case "+":
                parts = [adjoint, adjoint]
            case "-":
                parts = [adjoint, graph.negate(adjoint)]
            case "*":
                parts = [graph.operation("*", adjoint, value(right)), graph.operation("*", adjoint, value(left))]
            case "/" if self.program.instructions[left].kind == "number":
                # y = n·r with r = 1/v: v̄ = -ȳ·n·r²
                reciprocal = graph.operation("/", graph.number(1.0), value(right))
                square = graph.operation("*", reciprocal, reciprocal)
                share = graph.operation("*", graph.negate(graph.operation("*", adjoint, value(left))), square)
                parts = [share, share]
            case "/":
                # y = u/v: ū = ȳ/v, v̄ = -ȳ·(y/v)
                of_left = graph.operation("/", adjoint, value(right))
                ratio = graph.operation("/", value(index), value(right))
                parts = [of_left, graph.operation("*", graph.negate(adjoint), ratio)]
            case _:
                # y = uⁿ: ū = ȳ·n·uⁿ⁻¹
                exponent = self.program.instructions[right].value
                if exponent == 0:
                    return []
                power = graph.operation("**", value(left), graph.number(exponent - 1))
                slope = graph.operation("*", graph.number(exponent), power)
                parts = [graph.operation("*", adjoint, slope)] * 2
        return [(arguments[i], parts[i]) for i in (0, 1) if carrying[i]]

    def _store_adjoints(
        self, graph: Graph, stage: int, arrived: dict[int, list[int]], pending: dict[int, None]
    ) -> None:
        """Store what has arrived at values that this block only reads."""
        for one in self.first_read[stage]:
            graph.store(Place("slot", number=self.slots[one]), graph.sum(arrived.pop(one, [])))
        sums = {index: graph.sum(parts) for index, parts in arrived.items()}
        of_places: dict[Place, int] = {}
        for index, total in sums.items():
            instruction = self.program.instructions[index]
            if instruction.kind == "state":
                of_places[Place("leaving", instruction.name)] = total
            elif instruction.kind == "input":
                of_places[Place("input_adjoint")] = total
            elif instruction.phase == "once":
                if instruction.kind != "number":
                    graph.store(Place("constant_adjoint", number=index), total, adds=True)
            else:
                graph.store(Place("pending", number=index), total, adds=index in pending)
                pending[index] = None
        if stage == self.last:
            # the first block of the backward pass sets what the others add to
            for place in (Place("input_adjoint"), *(Place("leaving", state) for state in self.program.states)):
                graph.store(place, of_places.get(place, graph.number(0.0)))
        else:
            for place, total in of_places.items():
                graph.store(place, total, adds=True)

    def _products_backward(self, stage: int, pending: dict[int, None]) -> tuple[ProductAdjoint, ...]:
        readers: dict[int, list[tuple[int, str]]] = {}
        for group in self.groups[stage]:
            for position, source in enumerate(group.sources):
                readers.setdefault(source, []).extend((one.value, one.weights[position]) for one in group.maps)
        products = []
        for source, maps in readers.items():
            if source not in self.carrying:
                continue
            raw = _raw(self.program, source)
            if raw is None:
                place, adds = Place("pending", number=source), source in pending
                pending[source] = None
            else:
                place = Place("input_adjoint") if raw.kind == "input" else Place("leaving", raw.name)
                adds = True
            products.append(ProductAdjoint(source, place, adds, tuple(maps)))
        return tuple(products)

    def _read(self, graph: Graph, index: int) -> int:
        instruction = self.program.instructions[index]
        if instruction.kind == "number":
            return graph.number(instruction.value)
        if index in self.slots:
            # a copy stands for the map from its first block on: the slot itself may have been given away
            return graph.read(Place("slot", number=self.slots[index]))
        return graph.read(_raw(self.program, index) or self.homes[index])


def _carrying(program: Program) -> frozenset[int]:
    """Return the values whose adjoint reaches x_t, a state or a parameter; of others none is computed."""
    found: set[int] = set()
    for index, instruction in enumerate(program.instructions):
        arguments = instruction.arguments
        match instruction.kind:
            case "number":
                continue
            case "input":
                carries = not instruction.name  # what stands beside x is data
            case "function":
                carries = any(one in found and hands_on(instruction.name, i) for i, one in enumerate(arguments))
            case "negate" | "operation":
                carries = any(one in found for one in arguments)
            case _:
                carries = True
        if carries:
            found.add(index)
    return frozenset(found)


def _lower(graph: Graph, instruction: Instruction, arguments: tuple[int, ...]) -> int:
    if instruction.kind == "negate":
        return graph.negate(arguments[0])
    if instruction.kind == "operation":
        left, right = arguments
        if instruction.name == "/" and graph.nodes[left].kind == "number":
            # a number over a tensor is in PyTorch the number times the reciprocal
            left, right = graph.operation("/", graph.number(1.0), right), left
            return graph.operation("*", left, right)
        return graph.operation(instruction.name, left, right)
    return graph.function(instruction.name, arguments)
