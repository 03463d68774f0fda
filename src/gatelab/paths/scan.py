"""The scan path: all steps at once, for programs whose states are linear in themselves (see compiler/scannable.py)."""

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gatelab.compiler import Program
from gatelab.compiler.scannable import scan_order
from gatelab.language.ordering import ordered
from gatelab.paths.call import Call, Outputs
from gatelab.paths.lengths import unless_full
from gatelab.paths.loop import at_all_steps, known_values, run_loop
from gatelab.paths.padding import filled, is_valid

__all__ = ["Scan", "run_scan"]


Scan = Callable[[Sequence[Sequence[Tensor]], Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor]]
"""Finds the values of some states after each step, of slopes (the first index is the state that gets something, the
second the one that gives), offsets and starts."""


def run_scan(call: Call, scanned: Scan | None = None) -> Outputs:
    """Run a call in parallel over time.

    The depth is the logarithm of the number of steps, the work that much more than the loop's. Agrees with the loop to
    rounding, as long as the states and the products of what multiplies them are finite: these are formed before a
    state is known, and a state that is infinite still meets the factors of later steps, be they zero.
    """
    program, weights, inputs, states = call.program, call.weights, call.inputs, call.states
    hidden_size, lengths, record = call.hidden_size, call.lengths, call.record
    order = scan_order(program)
    assert order is not None  # a call without one is refused
    steps, batch = inputs.shape[-3], inputs.shape[:-1]
    if not steps:
        return run_loop(call)
    lengths = unless_full(lengths, steps)
    valid = None if lengths is None else is_valid(lengths, steps)
    if lengths is not None:
        inputs = filled(inputs, lengths)
    values = _Values(program, weights, inputs, hidden_size)
    tracks: dict[str, Tensor] = {}  # state -> its value before the first step and after each
    for group in order:
        size = (*batch, states[group[0]].shape[-1])
        slopes, offsets = [], []
        for state in group:
            own, offset = values.linear(program.states[state], group)
            slopes.append([_whole(own.get(other, 0.0), size, inputs) for other in group])
            offsets.append(_whole(offset, size, inputs))
        if valid is not None:
            # a sequence that has ended keeps its states
            slopes = [
                [torch.where(valid, slope, float(i == j)) for j, slope in enumerate(row)]
                for i, row in enumerate(slopes)
            ]
            offsets = [torch.where(valid, offset, 0.0) for offset in offsets]
        found = (scanned or _scanned)(slopes, offsets, [states[state] for state in group])
        for state, after in zip(group, found, strict=True):
            tracks[state] = torch.cat([states[state].unsqueeze(-3), after], -3)
            before = tracks[state].narrow(-3, 0, steps)
            values.before[state] = before if lengths is None else filled(before, lengths)
    output = _whole(values.free(program.output), (*batch, hidden_size), inputs)
    recorded = {
        name: _whole(value, (*batch, value.shape[-1]) if _has_size(value) else (*batch, hidden_size), inputs)
        for name in record
        for value in (values.free(program.equations[name]),)
    }
    finals = {state: track.select(-3, steps) for state, track in tracks.items()}
    if valid is None:
        return output, finals, recorded
    recorded = {name: torch.where(valid, value, 0.0) for name, value in recorded.items()}
    return torch.where(valid, output, 0.0), finals, recorded


class _Values:
    """What each instruction gives at all steps, as far as the states are known.

    Attributes:
        before: state -> its old value at every step, for the states that are known.
    """

    def __init__(self, program: Program, weights: Mapping[str, Tensor], inputs: Tensor, hidden_size: int) -> None:
        self.program, self.weights, self.inputs, self.hidden_size = program, weights, inputs, hidden_size
        self.before: dict[str, Tensor] = {}
        self.known = known_values(program, weights, inputs, hidden_size)

    def free(self, index: int) -> Any:
        """Return a value at every step; all states that it depends on are known."""
        for one in ordered([index], self._unknown):
            instruction = self.program.instructions[one]
            if self.known[one] is not None:
                continue
            if instruction.kind == "state":
                self.known[one] = self.before[instruction.name]
            elif instruction.kind == "part":
                whole = self.known[instruction.arguments[0]]
                self.known[one] = whole.chunk(instruction.parts, -1)[instruction.position]
            else:
                self.known[one] = at_all_steps(
                    self.program, one, self.known, self.weights, self.inputs, self.hidden_size
                )
        once = self.program.instructions[index].phase == "once" and isinstance(self.known[index], Tensor)
        return self.known[index].unsqueeze(-3) if once else self.known[index]

    def linear(self, index: int, group: Collection[str]) -> tuple[dict[str, Any], Any]:
        """Return a value at every step as factors of the old values of some states, and what is added to these."""
        found: dict[int, tuple[dict[str, Any], Any]] = {}

        def of(argument: int) -> tuple[dict[str, Any], Any]:
            return found[argument] if argument in found else ({}, self.free(argument))

        for one in ordered([index], self._unknown):
            instruction = self.program.instructions[one]
            if instruction.kind == "state":
                if instruction.name in group and self.known[one] is None:
                    found[one] = {instruction.name: 1.0}, 0.0
                continue
            if not any(argument in found for argument in instruction.arguments):
                continue  # it needs none of these states
            if instruction.kind == "negate":
                slopes, offset = of(instruction.arguments[0])
                found[one] = {state: -slope for state, slope in slopes.items()}, -offset
                continue
            left, right = instruction.arguments
            (a, b), (c, d) = of(left), of(right)
            match instruction.name:
                case "+":
                    found[one] = _both(a, c), b + d
                case "-":
                    found[one] = _both(a, {state: -slope for state, slope in c.items()}), b - d
                case "*":
                    several, single = (a, d) if left in found else (c, b)
                    found[one] = {state: slope * single for state, slope in several.items()}, b * d
                case _:
                    found[one] = {state: slope / d for state, slope in a.items()}, b / d
        return of(index)

    def _unknown(self, index: int) -> tuple[int, ...]:
        instruction = self.program.instructions[index]
        return () if self.known[index] is not None or instruction.phase != "step" else instruction.arguments


def _has_size(value: Any) -> bool:
    return isinstance(value, Tensor) and value.shape[-1] > 1


def _whole(value: Any, shape: tuple[int, ...], like: Tensor) -> Tensor:
    return value.expand(shape) if isinstance(value, Tensor) else like.new_full(shape, value)


def _both(slopes: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sums of factors."""
    return {**slopes, **{state: slopes[state] + one if state in slopes else one for state, one in others.items()}}


def _scanned(
    slopes: Sequence[Sequence[Tensor]], offsets: Sequence[Tensor], starts: Sequence[Tensor]
) -> Sequence[Tensor]:
    """Return s_1 … s_T of s_t = a_t s_{t-1} + b_t: at each round a span of twice as many steps is joined into one."""
    steps, states = offsets[0].shape[-3], range(len(offsets))
    span = 1
    while span < steps:
        # joined with the span that ends a step before this one began; the first ones are whole already
        rest = steps - span

        def joined(later: Sequence[Tensor], first: Sequence[Tensor], rest: int = rest, span: int = span) -> Tensor:
            return _sum([b.narrow(-3, span, rest) * a.narrow(-3, 0, rest) for b, a in zip(later, first, strict=True)])

        changed = [joined(slopes[i], offsets) + offsets[i].narrow(-3, span, rest) for i in states]
        columns = [[row[j] for row in slopes] for j in states]
        products = [[joined(slopes[i], columns[j]) for j in states] for i in states]
        offsets = [_behind(offset, new, span) for offset, new in zip(offsets, changed, strict=True)]
        slopes = [
            [_behind(slope, new, span) for slope, new in zip(row, of_row, strict=True)]
            for row, of_row in zip(slopes, products, strict=True)
        ]
        span *= 2
    return [
        _sum([slope * start.unsqueeze(-3) for slope, start in zip(row, starts, strict=True)]) + offset
        for row, offset in zip(slopes, offsets, strict=True)
    ]


def _behind(values: Tensor, new: Tensor, span: int) -> Tensor:
    return torch.cat([values.narrow(-3, 0, span), new], -3)


def _sum(terms: Sequence[Tensor]) -> Tensor:
    return functools.reduce(torch.add, terms)
