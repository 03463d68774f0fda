"""The scan path: all steps at once, for programs whose states are linear in themselves (see compiler/scannable.py)."""

from collections.abc import Callable, Mapping
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

__all__ = ["run_scan"]


def run_scan(call: Call, scanned: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None) -> Outputs:
    """Run a call in parallel over time; ``scanned`` finds the values of a state, of its slopes, offsets and start.

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
    for state in order:
        size = (*batch, states[state].shape[-1])
        slope, offset = values.linear(program.states[state], state)
        slope, offset = _whole(slope, size, inputs), _whole(offset, size, inputs)
        if valid is not None:
            # a sequence that has ended keeps its states
            slope, offset = torch.where(valid, slope, 1.0), torch.where(valid, offset, 0.0)
        tracks[state] = torch.cat(
            [states[state].unsqueeze(-3), (scanned or _scanned)(slope, offset, states[state])], -3
        )
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

    def linear(self, index: int, state: str) -> tuple[Any, Any]:
        """Return (a, b) such that a value is a times the old value of the state, plus b, at every step."""
        found: dict[int, tuple[Any, Any]] = {}

        def of(argument: int) -> tuple[Any, Any]:
            return found[argument] if argument in found else (0.0, self.free(argument))

        for one in ordered([index], self._unknown):
            instruction = self.program.instructions[one]
            if instruction.kind == "state":
                if instruction.name == state and self.known[one] is None:
                    found[one] = 1.0, 0.0
                continue
            if not any(argument in found for argument in instruction.arguments):
                continue  # it does not need the state
            if instruction.kind == "negate":
                slope, offset = of(instruction.arguments[0])
                found[one] = -slope, -offset
                continue
            left, right = instruction.arguments
            (a, b), (c, d) = of(left), of(right)
            match instruction.name:
                case "+":
                    found[one] = a + c, b + d
                case "-":
                    found[one] = a - c, b - d
                case "*":
                    found[one] = (a * d, b * d) if left in found else (b * c, b * d)
                case _:
                    found[one] = a / d, b / d
        return of(index)

    def _unknown(self, index: int) -> tuple[int, ...]:
        instruction = self.program.instructions[index]
        return () if self.known[index] is not None or instruction.phase != "step" else instruction.arguments


def _has_size(value: Any) -> bool:
    return isinstance(value, Tensor) and value.shape[-1] > 1


def _whole(value: Any, shape: tuple[int, ...], like: Tensor) -> Tensor:
    return value.expand(shape) if isinstance(value, Tensor) else like.new_full(shape, value)


def _scanned(slopes: Tensor, offsets: Tensor, start: Tensor) -> Tensor:
    """Return s_1 … s_T of s_t = a_t s_{t-1} + b_t: at each round a span of twice as many steps is joined into one."""
    steps = slopes.shape[-3]
    span = 1
    while span < steps:
        # joined with the span that ends a step before this one began; the first ones are whole already
        rest = steps - span
        (first_slopes, later_slopes), (first_offsets, later_offsets) = (
            values.split((span, rest), -3) for values in (slopes, offsets)
        )
        joined = later_slopes * offsets.narrow(-3, 0, rest) + later_offsets
        offsets = torch.cat([first_offsets, joined], -3)
        slopes = torch.cat([first_slopes, later_slopes * slopes.narrow(-3, 0, rest)], -3)
        span *= 2
    return slopes * start.unsqueeze(-3) + offsets
