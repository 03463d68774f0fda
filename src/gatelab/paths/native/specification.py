"""What compiled code is to compute, apart from tensors and their sizes: as a value, and as a line of text."""

import json
from functools import lru_cache
from typing import NamedTuple

from gatelab.compiler import Program, program
from gatelab.errors import UserError
from gatelab.language.json_line import variant_of, written
from gatelab.language.sizes import LADDER, Length

__all__ = ["Specification", "form_of", "text_of"]


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
