"""Limits on the content of a file, and parsing of numbers within limits."""

import math
import re
from dataclasses import dataclass

from gatelab.errors import one_line

__all__ = ["MOST_UNPACKED", "Limits", "RefusedError", "decimal", "integer"]


class RefusedError(ValueError):
    """A value is not allowed; the message is the end of a sentence that starts with file and line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a file. A file within them is read in about a second at most.

    Attributes:
        size: bytes of the file, and characters of its content once aliases are put in.
        depth: how deep mappings and lists may be nested.
        values: how many mappings, lists and single values there may be, aliases put in.
    """

    size: int = 2**21
    depth: int = 40
    values: int = 200_000


MOST_UNPACKED = 1100
"""Times its packed size that content may have: deflate packs no better than 1 : 1032."""

_LONGEST_NUMBER = 64  # characters
_LARGEST = 2**128
_NONZERO = re.compile(r"[1-9]")


def integer(text: str, base: int = 10) -> int:
    """Return the integer in a text. Raises RefusedError for one too large for any key."""
    text = _short(text)
    try:
        value = int(text, base)
    except ValueError:
        raise RefusedError(f"'{one_line(text)}' is no integer") from None
    if abs(value) >= _LARGEST:
        raise RefusedError(f"the integer {one_line(text, 40)} is too large")
    return value


def decimal(text: str) -> float:
    """Return the number in a text. Raises RefusedError if no float is near it."""
    text = _short(text)
    try:
        value = float(text)
    except ValueError:
        raise RefusedError(f"'{one_line(text)}' is no number") from None
    digits = re.split("[eE]", text)[0]
    if math.isinf(value) and _NONZERO.search(digits):
        raise RefusedError(f"the number {one_line(text, 40)} is too large")
    if value == 0 and _NONZERO.search(digits):
        raise RefusedError(f"the number {one_line(text, 40)} is too near to 0")
    return value


def _short(text: str) -> str:
    if len(text) > _LONGEST_NUMBER:
        raise RefusedError(f"the number {one_line(text, 40)} has {len(text)} characters; at most {_LONGEST_NUMBER}")
    return text
