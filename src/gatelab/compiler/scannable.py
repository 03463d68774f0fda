"""Whether time can be scanned in parallel: every state is linear in itself, unit by unit, given what is known already.

A state s with s_t = a_t s_{t-1} + b_t, where a_t and b_t do not depend on s, is found for all steps at once by a scan
whose depth is the logarithm of their number (Blelloch 1990, "Prefix Sums and Their Applications"; for such recurrences
Martin & Cundy 2018, "Parallelizing Linear Recurrent Neural Nets Over Sequence Length"). Once its values are known they
may stand in the coefficients of the next state.
"""

from functools import lru_cache

from gatelab.compiler.program import Program
from gatelab.language.ordering import nearest_order

__all__ = ["scan_order"]


@lru_cache(maxsize=256)
def scan_order(program: Program) -> tuple[str, ...] | None:
    """Return the states in an order in which each can be scanned given those before it; None if there is none.

    A program without states needs no scan: its order is empty.
    """
    reads, bends = _reach(program)
    before: dict[str, list[str]] = {}
    states = list(program.states)
    for place, state in enumerate(states):
        value = program.states[state]
        if bends[value] >> place & 1:
            return None
        before[state] = [other for other in _members(reads[value], states) if other != state]
    order = nearest_order(states, before)
    # what no state needs may still have to be computed for the output: with all states known, it can be
    return tuple(order) if len(order) == len(states) else None


def _reach(program: Program) -> tuple[list[int], list[int]]:
    """Return for every instruction the old states that it depends on, and those in which it is not linear.

    Sets of states are numbers with a bit for each: states by the hundred read each other.
    """
    bit = {state: 1 << place for place, state in enumerate(program.states)}
    reads: list[int] = []
    bends: list[int] = []
    for instruction in program.instructions:
        read = bend = 0
        for argument in instruction.arguments:
            read |= reads[argument]
            bend |= bends[argument]
        if instruction.kind == "state":
            read = bit[instruction.name]
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
