"""Which values each variant tried of every key, and which one is reported: what was held equal."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatelab.evidence.collected import Evidence
from gatelab.evidence.importance import logarithmic
from gatelab.evidence.varied import owner_of, value_text
from gatelab.keys import value_of

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
    combined: bool = True
    """Whether all variants tried the same combinations of it with the other keys; searches that draw need not."""

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
        """Whether all variants tried the same values and combinations, or drew many numbers from about one range."""
        return (self.combined and _same_values(self.tried)) or _same_range(list(self.tried.values()))


def key_uses(evidence: Evidence, task: str, labels: Sequence[str]) -> list[KeyUse]:
    """Return what variants did with each key of which one of them tried several values, or another value than others.

    Keys that make tasks or variants of their own are left out.
    """
    found = []
    settings = {label: [setting.values for setting in evidence.settings[task, label]] for label in labels}
    tried = {
        key: {label: _different(values[key] for values in settings[label]) for label in labels}
        for key in evidence.searched[task]
    }
    combined = _combined(list(settings.values()), [key for key, each in tried.items() if _same_values(each)])
    for key in evidence.searched[task]:
        chosen = {label: evidence.chosen(task, label).values[key] for label in labels}
        use = KeyUse(key, chosen, tried[key], combined)
        if use.searched or (use.differs and not _told_by_name(evidence, task, use)):
            found.append(use)
    return found


def _told_by_name(evidence: Evidence, task: str, use: KeyUse) -> bool:
    """Whether a key is an option of what stands in the names of variants, and those of one such name have it alike."""
    owner = owner_of(use.key, (*evidence.question.by, *evidence.question.apart))
    if owner is None:
        return False
    values: dict[str, set[str]] = {}
    for label in use.chosen:
        name = value_text(value_of(evidence.chosen(task, label).results[0].settings, owner))
        values.setdefault(name, set()).add(use.chosen_text(label))
    return all(len(under) == 1 for under in values.values())


def _same_values(tried: Mapping[str, Sequence[Any]]) -> bool:
    sets = [{value_text(value) for value in values} for values in tried.values()]
    return all(each == sets[0] for each in sets)


def _combined(settings: Sequence[Sequence[Mapping[str, Any]]], keys: Sequence[str]) -> bool:
    """Whether all variants tried the same combinations of keys, or so many that they were drawn."""
    if min(map(len, settings)) >= _SAMPLED:
        return True
    combinations = [{tuple(value_text(values[key]) for key in keys) for values in each} for each in settings]
    return all(each == combinations[0] for each in combinations)


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
