"""Which values each variant tried of every key, and which one is reported: what was held equal."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatelab.evidence.collected import Evidence
from gatelab.evidence.importance import logarithmic
from gatelab.evidence.varied import value_text

__all__ = ["KeyUse", "key_uses"]

_SAMPLED = 10  # different numbers from which values are taken as drawn from a range, and not as a list of choices
_OVERLAP = 0.5  # of the two ranges together


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What variants did with one key on one task."""

    key: str
    chosen: Mapping[str, Any]
    """Label -> value of the setting that is reported."""
    tried: Mapping[str, tuple[Any, ...]]
    """Label -> the different values that were tried, in order."""

    def chosen_text(self, label: str) -> str:
        """Return the reported value as text."""
        return value_text(self.chosen[label])

    @property
    def differs(self) -> bool:
        """Whether the reported values differ."""
        return len({value_text(value) for value in self.chosen.values()}) > 1

    @property
    def searched(self) -> bool:
        """Whether any variant had more than one value to choose from."""
        return any(len(values) > 1 for values in self.tried.values())

    @property
    def searched_by_all(self) -> bool:
        """Whether every variant had more than one value to choose from."""
        return all(len(values) > 1 for values in self.tried.values())

    @property
    def alike(self) -> bool:
        """Whether all variants tried the same values, or drew many numbers from about the same range."""
        sets = [{value_text(value) for value in values} for values in self.tried.values()]
        return all(each == sets[0] for each in sets) or _same_range(list(self.tried.values()))


def key_uses(evidence: Evidence, task: str, labels: Sequence[str]) -> list[KeyUse]:
    """Return what variants did with each key of which one of them tried several values, or another value than others.

    Keys that make tasks or variants of their own are left out.
    """
    found = []
    for key in evidence.searched[task]:
        tried = {
            label: _different(setting.values[key] for setting in evidence.settings[task, label]) for label in labels
        }
        chosen = {label: evidence.chosen(task, label).values[key] for label in labels}
        use = KeyUse(key, chosen, tried)
        if use.searched or use.differs:
            found.append(use)
    return found


def _different(values: Iterable[Any]) -> tuple[Any, ...]:
    texts = {value_text(value): value for value in values}
    numbers = all(isinstance(value, int | float) for value in texts.values())
    return tuple(sorted(texts.values()) if numbers else (texts[text] for text in sorted(texts)))


def _same_range(tried: Sequence[tuple[Any, ...]]) -> bool:
    numbers = all(isinstance(value, int | float) for values in tried for value in values)
    if not numbers or min(map(len, tried)) < _SAMPLED:
        return False
    everything = [value for values in tried for value in values]
    if logarithmic(everything):
        tried = [tuple(math.log(value) for value in values) for values in tried]
    lows, highs = [min(values) for values in tried], [max(values) for values in tried]
    return bool(min(highs) - max(lows) >= _OVERLAP * (max(highs) - min(lows)))
