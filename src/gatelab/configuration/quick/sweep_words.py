"""The words of the points of a sweep, read once each."""

import re
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.plugins.config_source import ConfigSource

from gatelab.configuration.quick.values import is_leaf
from gatelab.configuration.resolvers import plain_number

__all__ = ["Kind", "SweepWords"]

_PUT_IN = (OverrideType.CHANGE, OverrideType.ADD, OverrideType.FORCE_ADD)
_KEY = re.compile(r"\w+(\.\w+)*")
_SEED = "seed="
_NAME = "a"
# none of the words that Hydra reads as something else: null, true, false, inf, nan, in whatever letters
_PLAIN_NAME = re.compile(r"(?!(?:null|true|false|inf|nan)$)[a-z][a-z0-9_]*").fullmatch


class Kind(Enum):
    """How a word is applied."""

    CHOICE = 1  # of an option of a group
    VALUE = 2  # put in here
    OTHER = 3  # put in by Hydra


class SweepWords:
    """Reads overrides, as Hydra does, and says how they are applied.

    Args:
        sources: of Hydra's loader.
    """

    def __init__(self, sources: Sequence[ConfigSource]) -> None:
        self._sources = sources
        self._parser = OverridesParser.create()
        self._words: dict[str, tuple[Override, Kind]] = {}
        self._groups: dict[str, bool] = {}
        self._seeds: dict[str, int | None] = {}
        self._numeric: dict[str, bool] = {}
        self._others: set[str] = set()  # words in which nothing is numeric

    def seed(self, word: str) -> int | None:
        """Return the seed that a word sets to a whole number; None for any other word."""
        if word not in self._seeds:
            number = plain_number(word.removeprefix(_SEED)) if word.startswith(_SEED) else None
            self._seeds[word] = number if isinstance(number, int) else None
        return self._seeds[word]

    def numbered(self, words: Sequence[str]) -> tuple[tuple[str, ...], list[str], list[int | float]]:
        """Return words in which numbers are left out, their texts and the numbers themselves."""
        key: list[str] = []
        texts: list[str] = []
        numbers: list[int | float] = []
        for word in words:
            if word in self._others:
                key.append(word)
                continue
            name, _, text = word.partition("=")
            if self._is_numeric(name) and (number := plain_number(text)) is not None:
                key.append(f"{name}=")
                texts.append(text)
                numbers.append(number)
            else:
                self._others.add(word)
                key.append(word)
        return tuple(key), texts, numbers

    def _is_numeric(self, name: str) -> bool:
        """Return whether a word with this beginning changes a key, at the top or in a section, to what it says."""
        if name not in self._numeric:
            self._numeric[name] = False
            if _KEY.fullmatch(name) and name.count(".") < 2:
                override, kind = self.parsed(f"{name}=0")
                self._numeric[name] = kind is Kind.VALUE and override.type == OverrideType.CHANGE
        return self._numeric[name]

    def parsed(self, word: str) -> tuple[Override, Kind]:
        """Return a word as Hydra reads it, and how it is applied. Raises HydraException if it cannot be read."""
        if word not in self._words:
            override = self._override(word)
            value = Kind.VALUE if self._is_value(override) else Kind.OTHER
            self._words[word] = (override, Kind.CHOICE if self._is_choice(override) else value)
        return self._words[word]

    def _override(self, word: str) -> Override:
        key, _, text = word.partition("=")
        # thousands of seeds or rates: Hydra's parser takes 0.5 ms for each
        if text != "0" and (number := plain_number(text)) is not None:
            return replace(self.parsed(f"{key}=0")[0], _value=number, input_line=word)
        if text != _NAME and _PLAIN_NAME(text):
            return replace(self.parsed(f"{key}={_NAME}")[0], _value=text, input_line=word)
        return self._parser.parse_override(word)

    def _is_choice(self, override: Override) -> bool:
        return (
            override.type == OverrideType.CHANGE
            and override.package is None
            and not override.is_hydra_override()
            and isinstance(override.value(), str)
            and "${" not in str(override.input_line)  # it follows another group's
            and self.is_group(override.key_or_group)
        )

    def _is_value(self, override: Override) -> bool:
        return (
            override.type in _PUT_IN
            and override.package is None
            and not override.is_hydra_override()
            and not override.is_sweep_override()
            and is_leaf(override.value())
            and _KEY.fullmatch(override.key_or_group) is not None
            and not self.is_group(override.key_or_group)
        )

    def is_group(self, key: str) -> bool:
        """Return whether a key is a group of options."""
        if key not in self._groups:
            self._groups[key] = any(source.is_group(key) for source in self._sources)
        return self._groups[key]
