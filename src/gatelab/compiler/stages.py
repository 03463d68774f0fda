"""The step of a program as stages: each some matrix products at once, followed by one element-wise block.

What an equation writes as linear(x, h) is here one *affine map*, bias + W_x x + W_h h, whatever the phases of its
sources: a path that keeps packed weights at hand has no use for products of the whole sequence. Maps of the same stage
and the same sources form a *group*, one product for all of them. An LSTM has one stage with one group; a GRU whose
reset gate acts before the product has two stages.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from gatelab.compiler.program import Program, unstopped
from gatelab.language.ordering import ordered

__all__ = ["Affine", "Group", "Stages", "stages"]


@dataclass(frozen=True)
class Affine:
    """bias + the sum of weight · source.

    Attributes:
        value: index of the instruction whose value it is.
        sources: index of each source that changes from step to step.
        weights: the weight matrix of each source.
        biases: what is added: names of bias parameters,
        constants: and indices of values that no step changes.
        stage: when it runs.
    """

    value: int
    sources: tuple[int, ...]
    weights: tuple[str, ...]
    biases: tuple[str, ...]
    constants: tuple[int, ...]
    stage: int


@dataclass(frozen=True)
class Group:
    """Affine maps of the same stage and sources: one product."""

    stage: int
    sources: tuple[int, ...]
    maps: tuple[Affine, ...]


@dataclass(frozen=True, eq=False)
class Stages:
    """A program's step, cut into stages.

    Attributes:
        program: the program.
        groups: products, in running order.
        blocks: for each stage, the element-wise instructions that run after its products, in order.
        block_of: element-wise instruction -> its block.
        first_use: affine value -> the earliest block that reads it.
        last_use: affine value -> the latest.
        outputs: values that leave at every step: the program's output, then the recorded ones.
    """

    program: Program
    groups: tuple[Group, ...]
    blocks: tuple[tuple[int, ...], ...]
    block_of: dict[int, int]
    first_use: dict[int, int]
    last_use: dict[int, int]
    outputs: tuple[int, ...]

    @cached_property
    def maps(self) -> tuple[Affine, ...]:
        """All affine maps, in the order of the groups."""
        return tuple(one for group in self.groups for one in group.maps)

    @cached_property
    def sources(self) -> tuple[int, ...]:
        """Every value that a product reads."""
        return tuple(dict.fromkeys(source for group in self.groups for source in group.sources))


@lru_cache(maxsize=256)
def stages(program: Program, record: tuple[str, ...] = ()) -> Stages:
    """Cut the step of a program into stages; ``record`` names equations whose values leave at every step too."""
    outputs = (program.output, *(program.equations[name] for name in record))
    return _Cutter(program, outputs).cut()


class _Cutter:
    def __init__(self, program: Program, outputs: tuple[int, ...]) -> None:
        self.program, self.outputs = program, outputs
        self.instructions = program.instructions
        self.maps: dict[int, Affine] = {}
        self.earliest: dict[int, int] = {}

    def cut(self) -> Stages:
        element_wise = self._reach((*self.outputs, *self.program.states.values()))
        last = max([0, *self.earliest.values()])
        # as late as possible, so that few values live from one block to the next
        block_of: dict[int, int] = {}
        uses: dict[int, list[int]] = {index: [last] for index in (*self.outputs, *self.program.states.values())}
        for index in sorted((*element_wise, *self.maps), reverse=True):
            if index in self.maps:
                for source in self.maps[index].sources:
                    uses.setdefault(source, []).append(self.maps[index].stage - 1)
            else:
                block_of[index] = min(uses[index])
                for argument in self.instructions[index].arguments:
                    uses.setdefault(argument, []).append(block_of[index])
        groups: dict[tuple[int, tuple[int, ...]], list[Affine]] = {}
        for one in self.maps.values():
            groups.setdefault((one.stage, one.sources), []).append(one)
        in_order = sorted(groups.items(), key=lambda item: (item[0][0], item[1][0].value))
        blocks: list[list[int]] = [[] for _ in range(last + 1)]
        for index in element_wise:
            blocks[block_of[index]].append(index)
        return Stages(
            program=self.program,
            groups=tuple(Group(stage, sources, tuple(maps)) for (stage, sources), maps in in_order),
            blocks=tuple(map(tuple, blocks)),
            block_of=block_of,
            first_use={index: min(uses[index]) for index in self.maps},
            last_use={index: max(uses[index]) for index in self.maps},
            outputs=self.outputs,
        )

    def _reach(self, roots: Iterable[int]) -> list[int]:
        """Find what the roots need: affine maps into ``maps``; return the element-wise instructions, in order."""
        found: set[int] = set()
        for index in _needed(self.program, roots):
            instruction = self.instructions[index]
            if instruction.phase == "once" or self._is_raw(index):
                self.earliest[index] = 0
            elif instruction.kind in ("product", "part"):
                pairs, biases, constants = _chain(self.program, index)
                stage = max((self._after(source) for source, _ in pairs), default=0)
                self.earliest[index] = stage
                sources, weights = tuple(source for source, _ in pairs), tuple(weight for _, weight in pairs)
                self.maps[index] = Affine(index, sources, weights, biases, constants, stage)
            else:
                self.earliest[index] = max(self.earliest[argument] for argument in instruction.arguments)
                found.add(index)
        return sorted(found)

    def _after(self, source: int) -> int:
        """Return the first stage whose products can read a source."""
        return 0 if self._is_raw(source) else self.earliest[source] + 1

    def _is_raw(self, index: int) -> bool:
        """Say whether a value is x_t or an old state, stopped or not: it is read where it stands."""
        return self.instructions[unstopped(self.instructions, index)].kind in ("input", "state")


def _needed(program: Program, roots: Iterable[int]) -> list[int]:
    """Return what the roots need, each after what it needs itself; what a chain of products adds up is left out."""

    def needs(index: int) -> Iterable[int]:
        instruction = program.instructions[index]
        if instruction.phase == "once":
            return ()
        if instruction.kind in ("product", "part"):
            return [source for source, _ in _chain(program, index)[0]]
        return instruction.arguments

    return ordered(roots, needs)


def _chain(program: Program, index: int) -> tuple[list[tuple[int, str]], tuple[str, ...], tuple[int, ...]]:
    """Follow the addends of one part of a product; return its (source, weight) pairs, its biases and its constants.

    A chain's links have one reader each, because every weight is written in one place only. Followed from its end, it
    gives what it adds up in reverse.
    """
    pairs: list[tuple[int, str]] = []
    biases: list[str] = []
    constants: list[int] = []
    links = [index]
    while links:
        index = links.pop()
        instruction = program.instructions[index]
        if instruction.phase == "once":
            constants.append(index)
            continue
        if instruction.kind == "operation":
            # what several products know before the first step is summed before it becomes an addend
            links += instruction.arguments
            continue
        position = instruction.position
        if instruction.kind == "part":
            instruction = program.instructions[instruction.arguments[0]]
        source, *addends = instruction.arguments
        pairs.append((source, instruction.weights[position]))
        bias = instruction.biases[position]
        if bias:
            biases.append(bias)
        for addend in addends:
            joined = program.instructions[addend]
            links.append(joined.arguments[position] if joined.kind == "join" else addend)
    return pairs[::-1], tuple(biases[::-1]), tuple(constants[::-1])
