"""What a variant costs: learned numbers, and multiplications in each time step."""

import math

from gatelab.compiler.program import program
from gatelab.errors import UserError
from gatelab.language.foreign import FOREIGN
from gatelab.language.sizes import Lengths
from gatelab.language.tree import Expression, Read, walk
from gatelab.language.variant import Variant
from gatelab.language.weight_forms import part_shapes

__all__ = ["dependent_products", "multiply_adds", "parameter_count", "parameter_shapes", "step_values"]


def parameter_count(variant: Variant, input_size: int, hidden_size: int) -> int:
    """Return the number of learned numbers of one layer in one direction.

    A weight matrix has hidden_size × (length of its source) of them, or what its form leaves of these; a diagonal the
    length of its source, a bias or a learned vector hidden_size, a learned scalar 1.

    Raises:
        UserError: a size below 1, or sizes that the form of a weight cannot have.
    """
    return sum(math.prod(shape) for shape in parameter_shapes(variant, input_size, hidden_size).values())


def parameter_shapes(variant: Variant, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
    """Return parameter name -> shape of what is learned, in the order of the equations.

    Weights are (hidden, source), or the parts of :func:`gatelab.language.weight_forms.part_shapes`; vectors and
    biases (hidden,), diagonals (source,), scalars ().

    Raises:
        UserError: a size below 1, or sizes that the form of a weight cannot have.
    """
    sources = _source_lengths(variant, input_size, hidden_size)
    if variant.foreign is not None:
        return FOREIGN[variant.foreign].shapes(input_size, hidden_size)
    shapes: dict[str, tuple[int, ...]] = {}
    for parameter in variant.parameters:
        match parameter.kind:
            case "weight":
                shapes |= part_shapes(parameter.name, parameter.form, hidden_size, sources[parameter.name])
            case "diagonal":
                shapes[parameter.name] = (sources[parameter.name],)
            case "bias" | "vector":
                shapes |= part_shapes(parameter.name, parameter.form, hidden_size, 0)
            case "scalar":
                shapes[parameter.name] = ()
    return shapes


def multiply_adds(variant: Variant, input_size: int, hidden_size: int) -> int:
    """Return the multiply-adds of one layer in one direction for each time step of each sequence.

    Counted is one for every entry of every weight matrix and of every diagonal that meets a vector which changes from
    step to step. Not counted: adding biases, element-wise products and functions (their number grows with hidden_size
    only), and what is computed once for the whole run, such as a matrix times a learned vector. A foreign variant
    whose state is a matrix counts one for each entry that a step decays, writes or reads.

    Raises:
        UserError: a size below 1.
    """
    sources = _source_lengths(variant, input_size, hidden_size)
    if variant.foreign is not None:
        return FOREIGN[variant.foreign].multiply_adds(input_size, hidden_size)
    changing = _changing(variant)
    total = 0
    for parameter, source in variant.weights():
        if _changes(source, changing):
            rows, columns = hidden_size if parameter.kind == "weight" else 1, sources[parameter.name]
            total += rows * columns if parameter.form is None else parameter.form.multiply_adds(rows, columns)
    return total


def dependent_products(variant: Variant) -> int:
    """Return how many matrix products of one step must wait for each other.

    1 for an LSTM, 2 where a gate acts before the recurrent product (the published GRU), and 0 where every product sees
    x alone, so that all of them run before the first step.
    """
    if variant.foreign is not None:
        return FOREIGN[variant.foreign].dependent_products
    depths: list[int] = []
    for instruction in program(variant).instructions:
        here = int(instruction.kind == "product" and instruction.phase == "step")
        depths.append(here + max((depths[argument] for argument in instruction.arguments), default=0))
    return max(depths)


def step_values(variant: Variant, hidden_size: int) -> int:
    """Return about how many numbers one step of one layer keeps of each sequence for the backward pass."""
    if variant.foreign is not None:
        return FOREIGN[variant.foreign].step_values(hidden_size)
    return len(program(variant).instructions) * hidden_size


def _source_lengths(variant: Variant, input_size: int, hidden_size: int) -> dict[str, int]:
    """Return weight or diagonal -> length of the vector it is multiplied with."""
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if size < 1:
            raise UserError(f"{name}={size}: must be at least 1")
    lengths = Lengths(input_size, hidden_size)
    return {parameter.name: lengths.of(variant.size(source)) for parameter, source in variant.weights()}


def _changing(variant: Variant) -> set[str]:
    """Return the equations whose values differ from step to step."""
    changing: set[str] = set()
    for name, tree in variant.trees.items():
        if _changes(tree, changing):
            changing.add(name)
    return changing


def _changes(expression: Expression, changing: set[str]) -> bool:
    reads = (node for node in walk(expression) if isinstance(node, Read))
    return any(read.when != "now" or read.name in changing for read in reads)
