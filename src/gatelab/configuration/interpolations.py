"""Interpolations allowed in a user's values: only ``${key}`` and our resolvers.

OmegaConf and Hydra have resolvers that read the environment, or create configuration from text. Resolved values are
stored with a run, so neither a file nor the command line may use these. The files of conf/ itself are not checked here.
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
        where: the place in errors: a file with the key, or only a key.
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
