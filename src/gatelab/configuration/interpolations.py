"""Interpolations that may stand in what a user gives: ``${key}`` and the resolvers of ours, nothing else.

OmegaConf and Hydra bring resolvers that read the environment, or make configuration out of text. What is resolved is
stored with a run, so that neither a file nor a word on the command line may use them. What conf/ itself says is not
looked at here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Glob, QuotedString

from gatelab.configuration.resolvers import RESOLVERS
from gatelab.errors import UserError, one_line

__all__ = ["check_interpolations", "texts"]

_OPENS = re.compile(r"\$\s*\{")
_OURS = re.compile(rf"\$\{{\s*(?:({'|'.join(RESOLVERS)})\s*:|\.*([A-Za-z_]\w*(?:\.\w+)*)\s*\}})")


def check_interpolations(value: Any, where: str) -> None:
    """Raise a UserError for an interpolation, anywhere in nested plain values, that is not ours.

    Args:
        where: what errors call the place: a file with the key, or a key alone.
    """
    for text in texts(value):
        for opening in _OPENS.finditer(text):
            found = _OURS.match(text, opening.start())
            if not found or "hydra" in (found[2] or "").split("."):
                shown, known = one_line(text[opening.start() :]), ", ".join(f"${{{name}:…}}" for name in RESOLVERS)
                raise UserError(f"{where}: {shown} is not allowed; a value may have {known} and ${{key}}")


def texts(value: Any) -> Iterator[str]:
    """Yield every text in nested values: of a file, or of an override as Hydra has parsed it; keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, QuotedString):
        yield value.text
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts(key)
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)
    elif isinstance(value, ChoiceSweep):
        yield from texts(value.list)
    elif isinstance(value, Glob):
        yield from texts([*value.include, *value.exclude])
