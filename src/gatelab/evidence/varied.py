"""Which settings were varied among the runs that are shown: such runs are not seeds of one another."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from gatelab.keys import TOLD, kind_of, value_of
from gatelab.store import Result, hash_shown

__all__ = [
    "is_budget",
    "own_name",
    "owner_of",
    "setting_text",
    "shortened",
    "shown_value",
    "value_text",
    "varied_keys",
]


def own_name(task: str) -> str:
    """Return the name of a task without the settings that tell its forms apart: ``adding`` of ``adding length=50``."""
    return task.partition(" ")[0]


def owner_of(key: str, others: Collection[str]) -> str | None:
    """Return the key among others of whose value a key is an option, as opening.name of opening.max_time."""
    options = (other for other in others if other.endswith(".name") and key.startswith(other.removesuffix("name")))
    return next(options, None)


def is_budget(key: str) -> bool:
    """Whether a key says how much a network may cost or see: data, stopping rule, and the size of the model."""
    return kind_of(key) is not None or (key in TOLD and key.startswith("model."))


def varied_keys(results: Sequence[Result]) -> dict[str, tuple[str, ...]]:
    """Return task -> the keys, in alphabetical order, whose values differ among the runs of the task."""
    of_task: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for (task, _), settings in _different(results).items():
        of_task[task].append(settings)
    return {task: tuple(sorted(_varied(each))) for task, each in of_task.items()}


def _varied(each: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the keys of which the settings have several values."""
    for key in set().union(*each):
        if len({value_text(value_of(settings, key)) for settings in each}) > 1:
            yield key


def _different(results: Sequence[Result]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Return task and id -> settings: each object once, for a store gives all runs of equal settings the same one."""
    return {(result.task, id(result.settings)): result.settings for result in results}


def setting_text(settings: Mapping[str, Any], keys: Collection[str], without: str = "") -> str:
    """Return settings as text: ``optimizer.lr=0.01 opening=one``; keys are shown without the prefix ``without``."""
    return " ".join(
        f"{shortened(key.removeprefix(without))}={shown_value(key, value_of(settings, key))}" for key in keys
    )


def shortened(key: str) -> str:
    """Return a key without what says nothing: "opening.name" and its like say no more than "opening"."""
    return key.removesuffix(".name").removesuffix("._target_")


def shown_value(key: str, value: Any) -> str:
    """Return the value of a setting as tables show it: of a hash the first digits."""
    text = value_text(value)
    return hash_shown(text) if key.endswith("sha256") and isinstance(value, str) else text


def value_text(value: Any) -> str:
    """Return the value of a setting as text."""
    return value if isinstance(value, str) else json.dumps(value)
