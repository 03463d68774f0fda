"""The reference: a program run step after step in plain PyTorch, on any device, in any precision.

Every other path must agree with this one. Tensors may carry one leading run axis, weights included; then every run of
a stack goes through the same step at once. On a CPU with one thread a run of a stack has bit for bit the numbers it has
in a stack of one, whatever its neighbours; and full lengths give the numbers that no lengths give.
"""

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gatelab.compiler import Instruction, Program
from gatelab.language.functions import FUNCTIONS
from gatelab.language.sizes import BESIDE, Lengths, width_of_x
from gatelab.paths.call import Call, Outputs
from gatelab.paths.lengths import unless_full
from gatelab.paths.padding import ending, filled, started, steps_valid
from gatelab.paths.products import product
from gatelab.paths.surrogate_gradients import scale_gradient, straight_through

__all__ = ["LoopPlan", "at_all_steps", "evaluator", "joined", "known_values", "run_loop", "step_plan"]

# Without this MKL's products depend on where in memory a matrix lies, and so on a run's place in its stack. It costs
# nothing, and is read at the first product.
os.environ.setdefault("MKL_CBWR", "AUTO")


def run_loop(call: Call) -> Outputs:
    """Run a call step after step."""
    program, weights, inputs, states = call.program, call.weights, call.inputs, call.states
    hidden_size, lengths, record = call.hidden_size, call.lengths, call.record
    steps = inputs.shape[-3]
    wanted = tuple(program.equations[name] for name in record)
    plan = step_plan(program, wanted)
    lengths = unless_full(lengths, steps)
    if lengths is not None:
        inputs = filled(inputs, lengths)
    values = known_values(program, weights, inputs, hidden_size, wanted)
    unbound = {index: values[index].unbind(-3) for index in plan.handed_to_steps}
    products = {index: joined(program.instructions[index], weights) for index in plan.products}
    valid = None if lengths is None else steps_valid(lengths, steps)

    finals = dict(states)
    # a sequence that has ended repeats its last step, and one without a step makes one that is not looked at
    old = {name: started(value, lengths) for name, value in finals.items()}
    outputs: list[Tensor] = []
    recorded: list[list[Tensor]] = [[] for _ in wanted]
    for step in range(steps):
        for index, sequence in unbound.items():
            values[index] = sequence[step]
        for index, kind, argument, function in plan.step:
            if kind == "state":
                values[index] = old[function]
            elif kind == "product":
                weight, bias = products[index]
                addend = values[argument[1]] if len(argument) > 1 else bias
                values[index] = product(values[argument[0]], weight, addend)
                _cut(index, plan, values)
            else:
                values[index] = function(*[values[i] for i in argument])
        now = None if valid is None else valid[step]
        outputs.append(ending(_full(program, program.output, values, inputs, hidden_size), now, 0.0))
        for values_so_far, index in zip(recorded, wanted, strict=True):
            values_so_far.append(ending(_full(program, index, values, inputs, hidden_size), now, 0.0))
        fresh = {name: _like(values[index], old[name]) for name, index in program.states.items()}
        finals = fresh if now is None else {name: ending(fresh[name], now, finals[name]) for name in fresh}
        if step + 1 < steps:
            after = None if valid is None else valid[step + 1]
            old = {name: ending(value, after, old[name].detach()) for name, value in fresh.items()}
    if not steps:
        empty = inputs.new_zeros(*inputs.shape[:-1], hidden_size)
        return empty, finals, dict.fromkeys(record, empty)
    return (
        torch.stack(outputs, -3),
        finals,
        {name: torch.stack(values_so_far, -3) for name, values_so_far in zip(record, recorded, strict=True)},
    )


def known_values(
    program: Program, weights: Mapping[str, Tensor], inputs: Tensor, hidden_size: int, wanted: tuple[int, ...] = ()
) -> list[Any]:
    """Return the values that are known before the first step, by instruction: constants, and those of all steps."""
    plan = step_plan(program, wanted)
    values: list[Any] = [None] * len(program.instructions)
    for index in plan.once:
        values[index] = _once(program.instructions[index], values, weights, inputs)
        _cut(index, plan, values)
    for index in plan.sequence:
        values[index] = at_all_steps(program, index, values, weights, inputs, hidden_size)
        _cut(index, plan, values)
    return values


class LoopPlan:
    """A program sorted for running: what runs once, what for the sequence, and the code of one step.

    Attributes:
        once, sequence: indices of instructions, without the parts, which come with their product.
        step: index, kind, arguments and function of each instruction of one step, likewise.
        parts: product -> its parts; the product is cut once for all of them, or each would have a backward pass of its
            own over the whole product.
        products: the products of the step.
        handed_to_steps: values of the sequence of which each step reads its own.
    """

    def __init__(self, program: Program, wanted: tuple[int, ...]) -> None:
        instructions = program.instructions
        parts: dict[int, list[int]] = {}
        for index, instruction in enumerate(instructions):
            if instruction.kind == "part":
                parts.setdefault(instruction.arguments[0], []).append(index)
        self.parts = {product: tuple(indices) for product, indices in parts.items()}
        # parts that are joined again in their order are the product itself
        uncut = {parts: product for product, parts in self.parts.items()}
        whole = {
            index: uncut[instruction.arguments]
            for index, instruction in enumerate(instructions)
            if instruction.kind == "join" and instruction.arguments in uncut
        }
        self.once, self.sequence, step = (
            tuple(i for i in program.phase(phase) if instructions[i].kind != "part" and i not in whole)
            for phase in ("once", "sequence", "step")
        )
        arguments = {i: tuple(whole.get(argument, argument) for argument in instructions[i].arguments) for i in step}
        read = {program.output, *program.states.values(), *wanted}.union(*arguments.values())
        self.handed_to_steps = tuple(index for index in sorted(read) if instructions[index].phase == "sequence")
        self.products = tuple(index for index in step if instructions[index].kind == "product")
        self.step = tuple((i, instructions[i].kind, arguments[i], _of_step(instructions[i])) for i in step)


@lru_cache(maxsize=256)
def step_plan(program: Program, wanted: tuple[int, ...] = ()) -> LoopPlan:
    """Return a program sorted for running; ``wanted`` are values that each step hands out besides."""
    return LoopPlan(program, wanted)


_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "**": lambda u, exponent: _power(u, exponent),
}  # fmt: skip


def _of_step(instruction: Instruction) -> Any:
    """Return the function of an instruction of the step; of a state its name; of a product nothing."""
    if instruction.kind == "state":
        return instruction.name
    return None if instruction.kind == "product" else evaluator(instruction)


def _cut(index: int, plan: LoopPlan, values: list[Any]) -> None:
    """Cut a product into its parts, if it has any."""
    parts = plan.parts.get(index, ())
    if parts:
        for part, value in zip(parts, values[index].chunk(len(parts), -1), strict=True):
            values[part] = value


def evaluator(instruction: Instruction) -> Callable[..., Any]:
    """Return what computes an element-wise instruction from the values it reads."""
    match instruction.kind:
        case "negate":
            return operator.neg
        case "operation":
            return _OPERATORS[instruction.name]
        case "function":
            return _element_wise(instruction.name)
        case "join":
            return lambda *values: torch.cat(values, -1)
        case kind:
            raise AssertionError(kind)


_OWN: dict[str, Callable[..., Any]] = {
    "step": lambda u: (u > 0).to(u.dtype),
    # beyond its threshold torch's is the identity; at 20, the default, that is 2e-9 off
    "softplus": lambda u: functional.softplus(u, threshold=40.0),
    # the derivative of torch's has 1/6 in single precision, whatever the dtype
    "hardsigmoid": lambda u: _clipped(u / 6 + 0.5, 0.0, 1.0),
    "hardtanh": lambda u: _clipped(u, -1.0, 1.0),
    # torch's is 0 of what is no number
    "sign": lambda u: torch.where(u.isnan(), u.detach(), torch.sign(u)),
    "softmax": lambda u: u.softmax(-1),
    "cumax": lambda u: u.softmax(-1).cumsum(-1),
    "layer_norm": lambda u: functional.layer_norm(u, u.shape[-1:]),
    "roll": lambda u: u.roll(1, -1),
    "stop": lambda u: u.detach(),
    "straight_through": straight_through,
    "scale_gradient": scale_gradient,
}
"""What torch has not, or has otherwise, by the name that the table of functions gives it."""


def _element_wise(name: str) -> Callable[..., Any]:
    row = FUNCTIONS[name]
    function: Callable[..., Any] = (
        _OWN.get(row.torch) or getattr(torch, row.torch, None) or getattr(functional, row.torch)
    )
    if row.surrogate:
        return function
    if row.rounded_by_place:
        return lambda u: function(_row_by_row(u))
    if row.arity == 1:
        return function

    def of_two(u: Any, v: Any) -> Tensor:
        model = u if isinstance(u, Tensor) else v
        return function(*(w if isinstance(w, Tensor) else torch.full_like(model, w) for w in (u, v)))

    return of_two


def _clipped(u: Tensor, low: float, high: float) -> Tensor:
    """Return u between two bounds; its gradient is 0 at the bounds and beyond, and where u is no number.

    torch's hardtanh hands a gradient on where u is no number, or not, by the place in the tensor.
    """
    return torch.where((u > low) & (u < high), u, u.detach().clamp(low, high))


_SIMPLE_POWERS = (0.0, 0.5, 1.0, 2.0, 3.0, -1.0)  # neither they nor their derivatives are rounded by place


def _power(u: Any, exponent: float) -> Any:
    return u**exponent if exponent in _SIMPLE_POWERS else _row_by_row(u) ** exponent


def _row_by_row(u: Tensor) -> Tensor:
    """Return the tensor with gaps between its rows, so that a function works on one row at a time.

    torch rounds sigmoid, softplus, silu and powers differently in the last few of the elements it takes as one piece.
    Of a whole stack without gaps those would be other elements of a run than of the run alone. A product's parts have
    gaps already; 32 numbers are a multiple of every processor's vectors.
    """
    width = u.shape[-1] if u.dim() else 0
    touch = any(size > 1 and stride == width for size, stride in zip(u.shape[:-1], u.stride()[:-1], strict=True))
    return functional.pad(u, (0, 1))[..., :-1] if touch and width % 32 else u


def _once(instruction: Instruction, values: list[Any], weights: Mapping[str, Tensor], inputs: Tensor) -> Any:
    """Evaluate what no step changes. Learned vectors get a batch axis, numbers stay numbers."""
    if instruction.kind == "number":
        return instruction.value
    if instruction.kind == "parameter":
        weight = weights[instruction.name]
        scalar = weight.dim() == inputs.dim() - 3
        return weight[..., None, None] if scalar else weight[..., None, :]
    arguments = [values[index] for index in instruction.arguments]
    if instruction.kind == "product":
        weight, bias = joined(instruction, weights)
        return product(_rows(arguments[0], 1, weight), weight, arguments[1] if len(arguments) > 1 else bias)
    if all(isinstance(argument, float) for argument in arguments):
        # numbers alone: in double precision, and without Python's errors for 1/0 and the like
        tensors = [torch.tensor(argument, dtype=torch.float64) for argument in arguments]
        return float(evaluator(instruction)(*tensors))
    return evaluator(instruction)(*arguments)


def at_all_steps(
    program: Program,
    index: int,
    values: Sequence[Any],
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    hidden_size: int,
) -> Any:
    """Evaluate an instruction for all steps at once, from values that are known for all steps."""
    instruction = program.instructions[index]
    if instruction.kind == "input":
        return _of_input(program, instruction.name, inputs, hidden_size)
    arguments = [values[argument] for argument in instruction.arguments]
    for position, argument in enumerate(instruction.arguments):
        if program.instructions[argument].phase == "once" and isinstance(values[argument], Tensor):
            arguments[position] = values[argument].unsqueeze(-3)
    if instruction.kind != "product":
        return evaluator(instruction)(*arguments)
    weight, bias = joined(instruction, weights)
    source, *addends = (value.flatten(-3, -2) if isinstance(value, Tensor) else value for value in arguments)
    steps, batch = steps_and_batch = inputs.shape[-3:-1]
    rows = _rows(source, steps * batch, weight)
    return product(rows, weight, addends[0] if addends else bias).unflatten(-2, steps_and_batch)


def _of_input(program: Program, name: str, inputs: Tensor, hidden_size: int) -> Tensor:
    """Return x, or one of what stands beside it, (time, batch, columns)."""
    beside = program.variant.beside
    if not beside:
        return inputs
    width = width_of_x(beside, inputs.shape[-1], hidden_size)
    sizes = [width, *(Lengths(width, hidden_size).of(BESIDE[one]) for one in beside)]
    part = inputs.split(sizes, -1)[("", *beside).index(name)]
    return part.detach() if name else part


def joined(instruction: Instruction, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Return the transposed weights of a product side by side, (source, all rows), and its bias (1, all rows)."""
    matrices = [weights[name] for name in instruction.weights]
    matrix = (matrices[0] if len(matrices) == 1 else torch.cat(matrices, -2)).mT
    if not any(instruction.biases):
        return matrix, None
    biases = [
        weights[name] if name else torch.zeros_like(matrix[..., 0])
        for name, matrix in zip(instruction.biases, matrices, strict=True)
    ]
    return matrix, (biases[0] if len(biases) == 1 else torch.cat(biases, -1))[..., None, :]


def _rows(source: Any, rows: int, weight: Tensor) -> Tensor:
    """Return the source of a product, (rows, source), whatever it is: a number, a scalar or a learned vector too."""
    shape = (*weight.shape[:-2], rows, weight.shape[-2])
    return source.expand(shape) if isinstance(source, Tensor) else weight.new_full(shape, source)


def _full(program: Program, index: int, values: list[Any], inputs: Tensor, hidden_size: int) -> Tensor:
    """Return a value at one step; a number, a scalar and a learned vector get the axes they lack."""
    value = values[index]
    if program.instructions[index].phase != "once":
        # one number, the same for all units, made of dt alone
        alike = program.variant.beside and value.shape[-1] == 1 and is_uniform(program, index)
        return value.expand(*value.shape[:-1], hidden_size) if alike else value
    shape = (*inputs.shape[:-3], inputs.shape[-2], hidden_size)
    return value.expand(shape) if isinstance(value, Tensor) else inputs.new_full(shape, value)


@lru_cache(maxsize=1024)
def is_uniform(program: Program, index: int) -> bool:
    """Say whether a value of a step is one number for all units: made of dt, numbers and scalars alone."""
    instruction = program.instructions[index]
    match instruction.kind:
        case "number":
            return True
        case "input":
            return BESIDE.get(instruction.name) == "one"
        case "parameter":
            return any(one.name == instruction.name and one.kind == "scalar" for one in program.variant.parameters)
    if instruction.kind not in ("negate", "operation", "function"):
        return False
    return all(is_uniform(program, argument) for argument in instruction.arguments)


def _like(value: Any, state: Tensor) -> Tensor:
    if not isinstance(value, Tensor):
        return torch.full_like(state, value)
    return value if value.shape == state.shape else value.expand_as(state)
