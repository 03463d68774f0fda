"""Overrides as Hydra parses them, checked: allowed keys and options, and equations quoted for its grammar."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException

from gatelab.configuration.interpolations import check_interpolations, texts
from gatelab.errors import UserError, one_line
from gatelab.language.edits import FACTORS
from gatelab.locations import conf_directory

__all__ = ["GLOBAL", "check_word", "check_words", "groups", "parsed_words", "quote_equations"]

GLOBAL = "_global_"
"""Hydra's name of the top of a configuration, the place of experiments."""
_EXPERIMENT = "experiment"
_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*")
_CLASS = re.compile(r"\w+(\.\w+)*:\w+")  # of another package


@cache
def groups() -> tuple[str, ...]:
    """Return the groups that a user's folder may extend: the folders of conf/, and experiment."""
    return (*sorted(path.name for path in conf_directory().iterdir() if path.is_dir()), _EXPERIMENT)


def check_words(words: Iterable[str]) -> None:
    """Raise a UserError if an override is not allowed; Hydra refuses those that it cannot read."""
    for override in parsed_words(words):
        check_word(override)


def parsed_words(words: Iterable[str]) -> list[Override]:
    """Return overrides as parsed by Hydra, without those that it cannot read and will refuse."""
    parser = OverridesParser.create()
    found = []
    for word in words:
        with suppress(HydraException):
            found.append(parser.parse_override(word))
    return found


def check_word(override: Override) -> None:
    """Raise a UserError for an override that loads files from elsewhere or has an interpolation that is not ours."""
    key, word = override.key_or_group, one_line(override.input_line)
    if override.package is not None:
        raise UserError(f"{word}: a {one_line(key)} has its place in a configuration; no @ can give it another")
    if key == "hydra.searchpath" or key.startswith("hydra.searchpath."):
        raise UserError(f"{word}: not allowed; --config-dir=FOLDER adds a folder")
    check_interpolations([override.input_line or "", override.value()], one_line(key))
    if key in groups() or "/" in key:
        if not override.is_sweep_override() and isinstance(override.value(), list) and key == _EXPERIMENT:
            raise UserError(f"{word}: must be one experiment")
        for name in () if isinstance(override.value(), Glob) else texts(override.value()):
            if name and not _NAME.fullmatch(name) and not (key in ("task", "opening") and _CLASS.fullmatch(name)):
                raise UserError(f"{word}: must be a name, not a path: letters, digits, '_', '-' and '.'")


def quote_equations(overrides: Sequence[str]) -> list[str]:
    """Quote the right-hand sides in overrides, which Hydra's grammar would otherwise parse as its own functions.

    ``variant.equations.f=sigmoid(linear(x, h)),1`` becomes ``variant.equations.f="sigmoid(linear(x, h))","1"``: commas
    outside parentheses still separate the points of a sweep. Quoted values are not changed. The factors of a variant
    (``variant.reads.f=[x]``), which are in no file, get a plus.
    """
    quoted = []
    for override in overrides:
        # keys that no file has: inputs of a gate, its activation, and so on
        if re.match(rf"variant\.({'|'.join(FACTORS)})\b", override):
            override = f"++{override}"
        match = re.fullmatch(r"(\+{0,2}variant\.equations\.\w+)=(.*)", override, re.DOTALL)
        if match and not re.match(r"\s*((choice|range|glob|interval|shuffle|sort|tag)\s*\(|\[|'|\")", match[2]):
            parts = [part.strip().replace('"', r"\"") for part in _split(match[2])]
            override = f"{match[1]}=" + ",".join(f'"{part}"' for part in parts)
        quoted.append(override)
    return quoted


def _split(text: str) -> Iterator[str]:
    """Split at the commas outside parentheses."""
    depth, start = 0, 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            yield text[start:position]
            start = position + 1
    yield text[start:]
