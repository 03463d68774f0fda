"""What compiled code is to compute, apart from tensors and their sizes: as a value, and as a line of text."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from gatelab.compiler import Program, program
from gatelab.compiler.adjoint import plan
from gatelab.compiler.plan_lengths import PlanLengths
from gatelab.errors import UserError
from gatelab.language.json_line import variant_of, written
from gatelab.language.sizes import BESIDE, LADDER, Length, Lengths

__all__ = ["Specification", "form_of", "text_of", "vector_lengths"]


class Specification(NamedTuple):
    """A program and what its tensors stand for.

    Attributes:
        program, record: what runs, and the equations whose values are wanted too.
        hidden_size: units of the layer.
        states: names of the states, in the order of their tensors.
        constants: length of what no step changes, by instruction.
        biases: for each affine map whether it has a bias.
    """

    program: Program
    record: tuple[str, ...]
    hidden_size: int
    states: tuple[str, ...]
    constants: tuple[tuple[int, Length], ...]
    biases: tuple[bool, ...]


def vector_lengths(form: Specification, input_size: int, state_sizes: Sequence[int]) -> PlanLengths:
    """Return the length of every vector of a form, given how long x_t and the states are."""
    length = Lengths(input_size, form.hidden_size)
    equal = input_size == form.hidden_size and _mixes(form.program)
    states = {name: length.named(size) for name, size in zip(form.states, state_sizes, strict=True)}
    constants: dict[int, Length] = {i: "hidden" if equal and size == "input" else size for i, size in form.constants}
    return PlanLengths(plan(form.program, form.record), states, constants, "hidden" if equal else "input")


@lru_cache(maxsize=256)
def _mixes(program: Program) -> bool:
    """Return whether an equation reads x_t other than through a matrix."""
    raw = {
        i for i, one in enumerate(program.instructions)
        if one.kind == "input" and BESIDE.get(one.name, "input") == "input"
    }  # fmt: skip
    readers = [i for i in program.instructions if i.kind not in ("product", "part", "join")]
    direct = {program.output, *program.states.values(), *program.equations.values()}
    return bool(raw & ({argument for reader in readers for argument in reader.arguments} | direct))


@lru_cache(maxsize=512)
def text_of(form: Specification) -> str:
    """Return a form as JSON."""
    parts = (form.record, form.hidden_size, form.states, form.constants, form.biases)
    return json.dumps([written(form.program.variant), *parts], separators=(",", ":"))


@lru_cache(maxsize=512)
def form_of(text: str) -> Specification:
    """Return the form that :func:`text_of` wrote.

    Raises:
        UserError: the text is not one of a form.
    """
    try:
        variant, record, hidden, states, constants, biases = json.loads(text)
        made = program(variant_of(variant))
        sizes: tuple[tuple[int, Length], ...] = tuple((int(index), size) for index, size in constants)
        form = Specification(made, tuple(record), int(hidden), tuple(states), sizes, tuple(map(bool, biases)))
    except (ValueError, TypeError) as error:
        raise UserError(f"gatelab operator: its text is not one that gatelab wrote: {error}") from error
    known = set(made.equations)
    if not set(form.record) <= known or set(form.states) != set(made.states) or form.hidden_size < 1:
        raise UserError("gatelab operator: its names are not those of its variant")
    if any(size not in LADDER or not 0 <= index < len(made.instructions) for index, size in sizes):
        raise UserError("gatelab operator: its constants are not those of its variant")
    return form
