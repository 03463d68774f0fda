"""Whether time can be scanned in parallel: states are linear in themselves, unit by unit, given what is known already.

A state s with s_t = a_t s_{t-1} + b_t, where a_t and b_t do not depend on s, is found for all steps at once by a scan
whose depth is the logarithm of their number (Blelloch 1990, "Prefix Sums and Their Applications"; for such recurrences
Martin & Cundy 2018, "Parallelizing Linear Recurrent Neural Nets Over Sequence Length"). Once its values are known they
may stand in the coefficients of the next state. Two states that read each other, as the real and the imaginary part of
a complex one do, are scanned as a pair: a_t is a matrix of two rows and columns then, for each unit.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from gatelab.compiler.program import Program
from gatelab.language.ordering import nearest_order

__all__ = ["scan_order"]


@lru_cache(maxsize=256)
def scan_order(program: Program) -> tuple[tuple[str, ...], ...] | None:
    """Return the states, alone or in pairs, in an order in which each can be scanned given those before it.

    None if there is none. A program without states needs no scan: its order is empty.
    """
    states = list(program.states)
    read, _ = _reach(program, {state: (state,) for state in states})
    reads = {state: _members(read[program.states[state]], states) for state in states}
    groups = _groups(reads)
    _, bends = _reach(program, groups)
    before: dict[str, list[str]] = {state: [] for state, group in groups.items() if state == group[0]}
    for place, state in enumerate(states):
        first, *_ = group = groups[state]
        if bends[program.states[state]] >> place & 1:
            return None
        before[first] += [groups[other][0] for other in reads[state] if other not in group]
    order = nearest_order(before, {first: set(others) for first, others in before.items()})
    # what no state needs may still have to be computed for the output: with all states known, it can be
    return tuple(groups[first] for first in order) if len(order) == len(before) else None


def _groups(reads: Mapping[str, Collection[str]]) -> dict[str, tuple[str, ...]]:
    """Return for each state those that are scanned with it, itself among them: the one with which it reads each other.

    Where more than two wait for each other, there is no order of these groups.
    """
    groups: dict[str, tuple[str, ...]] = {}
    places = {state: place for place, state in enumerate(reads)}
    for state, others in reads.items():
        if state in groups:
            continue
        mutual = [other for other in others if other not in groups and other != state and state in reads[other]]
        group = tuple(sorted([state, *mutual[:1]], key=places.__getitem__))
        groups |= dict.fromkeys(group, group)
    return groups


def _reach(program: Program, groups: Mapping[str, Sequence[str]]) -> tuple[list[int], list[int]]:
    """Return for every instruction the groups of old states that it depends on, and those in which it is not linear.

    Sets of states are numbers with a bit for each: states by the hundred read each other.
    """
    bit = {state: 1 << place for place, state in enumerate(program.states)}
    whole = {state: sum(bit[one] for one in group) for state, group in groups.items()}
    reads: list[int] = []
    bends: list[int] = []
    for instruction in program.instructions:
        read = bend = 0
        for argument in instruction.arguments:
            read |= reads[argument]
            bend |= bends[argument]
        if instruction.kind == "state":
            read = whole[instruction.name]
        elif instruction.kind == "operation" and instruction.name == "*":
            bend |= reads[instruction.arguments[0]] & reads[instruction.arguments[1]]
        elif instruction.kind == "operation" and instruction.name == "/":
            bend |= reads[instruction.arguments[1]]
        elif instruction.kind != "negate" and (instruction.kind != "operation" or instruction.name == "**"):
            bend = read  # a matrix or a function between a state and itself
        reads.append(read)
        bends.append(bend)
    return reads, bends


def _members(bits: int, states: list[str]) -> list[str]:
    """Return the states of a set."""
    found = []
    while bits:
        last = bits & -bits
        found.append(states[last.bit_length() - 1])
        bits ^= last
    return found
