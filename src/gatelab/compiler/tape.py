"""What is kept of a step for the backward pass, and where.

The *tape* is the memory of one step: one slot (a vector) for each affine map and some more. A slot holds in turn the
pre-activation, an activation computed from it that the backward pass needs, and, in the backward pass, the delta:

  * An activation may take the slot of a map that no later block reads. It is then needed in the backward pass in this
    block and later ones only, whose adjoint blocks run before the map's delta is written, in that of its first use.
  * The sources of products keep a slot of their own, since weight gradients need them beside the deltas.

What is cheap to compute again from what is kept (sums, products, clipping) is not kept.
"""

from collections.abc import Collection, Sequence

from gatelab.compiler.graph import Place
from gatelab.compiler.program import Instruction, Program
from gatelab.compiler.stages import Stages
from gatelab.language.functions import FUNCTIONS
from gatelab.language.sizes import BESIDE

__all__ = ["homes_of"]


def homes_of(
    cut: Stages, slots: dict[int, int], needed: Collection[int], needed_maps: Collection[int]
) -> tuple[dict[int, Place], dict[int, Place], int]:
    """Give every value that outlives its block a home; return homes, copies of affine sources, number of slots."""
    instructions = cut.program.instructions
    free_for_all = {index: Place("next", state) for state, index in cut.program.states.items() if index in cut.block_of}
    homes: dict[int, Place] = dict(free_for_all)
    extra = len(slots)
    copies: dict[int, Place] = {}
    for index in cut.sources:
        if index in slots:
            copies[index] = Place("slot", number=extra)
            extra += 1
        elif index in cut.block_of and index not in homes:
            homes[index] = Place("slot", number=extra)
            extra += 1
    crossing = {
        argument
        for block in cut.blocks for i in block for argument in instructions[i].arguments
        if argument in cut.block_of and cut.block_of[argument] < cut.block_of[i]
    }  # fmt: skip
    kept = {i for i in needed if not _cheap(instructions[i])} | crossing
    kept = _with_what_is_missing(cut, kept, needed, homes, needed_maps)
    free = _Free(cut, [one for one in slots if one not in needed_maps and one not in copies])
    short = _of_input_length(cut.program)
    for index in sorted(kept - homes.keys()):
        # a map's slot is as long as a hidden vector
        taken = None if index in short else free.take(cut.block_of[index], instructions[index].arguments)
        if taken is None:
            homes[index] = Place("slot", number=extra)
            extra += 1
        else:
            homes[index] = Place("slot", number=slots[taken])
    return homes, copies, extra


class _Free:
    """The slots of maps that may be given to others, each once, by the last block that reads the map."""

    def __init__(self, cut: Stages, maps: Sequence[int]) -> None:
        self.last_use = cut.last_use
        self.left = dict.fromkeys(maps)
        self.by_block: list[list[int]] = [[] for _ in cut.blocks]
        for one in reversed(maps):
            self.by_block[cut.last_use[one]].append(one)
        # block -> the nearest one, itself or earlier, that may have a slot left; -1 if none has
        self.nearest = list(range(len(cut.blocks)))

    def take(self, block: int, preferred: Collection[int]) -> int | None:
        """Return a map that no later block than this one reads, if possible a preferred one; None if there is none."""
        mine = [one for one in preferred if one in self.left and self.last_use[one] <= block]
        taken = min(mine) if mine else None
        while taken is None and (block := self._latest(block)) >= 0:
            candidate = self.by_block[block].pop()
            taken = candidate if candidate in self.left else None
        if taken is not None:
            del self.left[taken]
        return taken

    def _latest(self, block: int) -> int:
        passed = []
        while block >= 0 and not self.by_block[block]:
            passed.append(block)
            block = self.nearest[block] if self.nearest[block] < block else block - 1
        for one in passed:
            self.nearest[one] = block
        return block


def _with_what_is_missing(
    cut: Stages, kept: Collection[int], needed: Collection[int], homes: Collection[int], staying: Collection[int]
) -> set[int]:
    """Return what is kept and what else is needed that cannot be computed again by cheap means.

    The slots of ``staying`` maps are not given to others.
    """
    kept = set(kept)
    again: set[int] = set()
    for index in sorted({*cut.block_of, *needed}):
        instruction = cut.program.instructions[index]
        if index not in kept and index not in homes:
            found = (argument in staying if argument in cut.first_use else
                     argument not in cut.block_of or argument in again
                     for argument in instruction.arguments)  # fmt: skip
            if not (_cheap(instruction) and all(found)):
                if index not in needed:
                    continue
                kept.add(index)
        again.add(index)
    return kept


def _of_input_length(program: Program) -> set[int]:
    """Return the values that are as long as x_t, where that is not the hidden length: made of x_t without a matrix."""
    instructions = program.instructions
    readers: dict[int, list[int]] = {}
    for index, instruction in enumerate(instructions):
        for argument in instruction.arguments:
            readers.setdefault(argument, []).append(index)
    old = {instruction.name: index for index, instruction in enumerate(instructions) if instruction.kind == "state"}
    new: dict[int, list[int]] = {}
    for state, index in program.states.items():
        if state in old:
            new.setdefault(index, []).append(old[state])
    short: set[int] = set()
    waiting = [
        index
        for index, instruction in enumerate(instructions)
        if instruction.kind == "input" and _as_long_as_x(instruction)
    ]
    while waiting:
        index = waiting.pop()
        if index not in short and instructions[index].kind not in ("product", "part", "join"):
            short.add(index)
            waiting += [*readers.get(index, ()), *new.get(index, ())]
    return short


def _as_long_as_x(instruction: Instruction) -> bool:
    return BESIDE.get(instruction.name, "input") == "input"


def _cheap(instruction: Instruction) -> bool:
    if instruction.kind == "function":
        return FUNCTIONS[instruction.name].cheap
    return instruction.kind == "negate" or instruction.name in ("+", "-", "*")
