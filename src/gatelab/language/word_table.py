"""The words of the language, each written here once; functions have a table of their own in functions.py."""

from typing import Literal, get_args

from gatelab.language.functions import FUNCTIONS

__all__ = [
    "IDENTITY",
    "INPUT",
    "LEARNED",
    "MAPS",
    "MAP_OPTIONS",
    "OF_CELLS",
    "RESERVED",
    "ROLES",
    "STARTING",
    "Starting",
]

INPUT = "x"
"""What an equation calls the input."""

Starting = Literal["vector", "scalar"]

STARTING: tuple[Starting, ...] = get_args(Starting)
"""Learned vectors and numbers, whose argument is what they start with."""

MAPS = ("linear", "project")
"""Learned maps of vectors, with a bias and without."""

LEARNED = (*MAPS, "diag", "bias", *STARTING)
"""Everything learned."""

OF_CELLS = ("shared", "per_block")
"""The options of a map for memory blocks of several cells, which go together."""

MAP_OPTIONS = ("blocks", "rank", "form", "tied", *OF_CELLS)
"""What a map takes beside its sources, one of them at most, or both of ``OF_CELLS``: the form of its matrices."""

IDENTITY = "identity"
"""The squashing function that is none, and the form of a matrix that is not learned."""

RESERVED = frozenset({INPUT, *FUNCTIONS, *LEARNED})
"""Names that an equation cannot have."""

ROLES = ("retain", "write", "expose", "reset", "opening")
"""What a gate can be declared to do: keep the state, let new content in, let the state out, hide the state from the
candidate; ``opening`` names the equation whose bias an opening sets, where that is not the retaining gate's own."""
