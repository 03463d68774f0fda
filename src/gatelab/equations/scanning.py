"""Whether time can be scanned in parallel: every state is linear in itself, unit by unit, given what is known already.

A state s with s_t = a_t s_{t-1} + b_t, where a_t and b_t do not depend on s, is found for all steps at once by a scan
whose depth is the logarithm of their number (Blelloch 1990, "Prefix Sums and Their Applications"; for such recurrences
Martin & Cundy 2018, "Parallelizing Linear Recurrent Neural Nets Over Sequence Length"). Once its values are known they
may stand in the coefficients of the next state.
"""

from functools import lru_cache
from typing import Literal

from gatelab.equations.program import Program

__all__ = ["scan_order"]

Kind = Literal["free", "linear", "other"]
"""How a value depends on the state in question: not at all, as a·s + b, or in another way (or on a state that is not
known yet)."""


@lru_cache(maxsize=256)
def scan_order(program: Program) -> tuple[str, ...] | None:
    """Return the states in an order in which each can be scanned given those before it; None if there is none.

    A program without states needs no scan: its order is empty.
    """
    known: list[str] = []
    waiting = list(program.states)
    while waiting:
        ready = next((state for state in waiting if _dependence(program, state, known) != "other"), None)
        if ready is None:
            return None
        waiting.remove(ready)
        known.append(ready)
    # what no state needs may still have to be computed for the output: with all states known, it can be
    return tuple(known)


def _dependence(program: Program, state: str, known: list[str]) -> Kind:
    """Return how the new value of a state depends on its old one, the states in ``known`` being known for all steps."""
    kinds: dict[int, Kind] = {}

    def kind(index: int) -> Kind:
        if index not in kinds:
            kinds[index] = _of(index)
        return kinds[index]

    def _of(index: int) -> Kind:
        instruction = program.instructions[index]
        if instruction.phase != "step":
            return "free"
        if instruction.kind == "state":
            return "linear" if instruction.name == state else "free" if instruction.name in known else "other"
        found = [kind(argument) for argument in instruction.arguments]
        if all(one == "free" for one in found):
            return "free"
        if "other" in found:
            return "other"
        if instruction.kind == "negate":
            return "linear"
        if instruction.kind == "operation" and instruction.name in ("+", "-"):
            return "linear"
        if instruction.kind == "operation" and instruction.name == "*":
            return "linear" if "free" in found else "other"
        if instruction.kind == "operation" and instruction.name == "/":
            return "linear" if found[1] == "free" else "other"
        return "other"  # a matrix or a function between a state and itself

    return kind(program.states[state])
