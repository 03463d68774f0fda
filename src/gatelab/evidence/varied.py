"""Which settings were varied among the runs that are shown: such runs are not seeds of one another."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gatelab.store import Result

__all__ = [
    "belongs_to",
    "setting_text",
    "shortened",
    "tasks_told_apart",
    "variants_told_apart",
    "varied_keys",
    "varied_settings",
]


def tasks_told_apart(results: Sequence[Result], by: Collection[str] = ()) -> list[Result]:
    """Return the results with the settings of a task that differ added to its name: ``adding length=200``.

    ``by`` names further settings that are to make a task of their own where they differ.
    """
    varied = varied_keys(results)
    keys = {task: [key for key in found if key.startswith("task.") or key in by] for task, found in varied.items()}
    if not any(keys.values()):
        return list(results)
    told = {
        (task, number): " ".join([task, *(_told(settings, key, "task.") for key in keys[task])])
        for (task, number), settings in _different(results).items()
    }
    return [replace(result, task=told[result.task, id(result.settings)]) for result in results]


def variants_told_apart(results: Sequence[Result], apart: Collection[str]) -> list[Result]:
    """Return the results with the settings of ``apart`` that differ added to their labels: ``lstm opening=chrono``."""
    varied = {key for keys in varied_keys(results).values() for key in keys}
    keys = [key for key in apart if key in varied]
    if not keys:
        return list(results)
    return [
        replace(result, label=" ".join([result.label, *(_told(result.settings, key, "") for key in keys)]))
        for result in results
    ]


def belongs_to(key: str, others: Collection[str]) -> bool:
    """Whether a key is among others or an option of what one of them names, as opening.max_time of opening.name."""
    return key in others or any(
        other.endswith(".name") and key.startswith(other.removesuffix("name")) for other in others
    )


def varied_settings(results: Sequence[Result], told: Collection[str] = ()) -> dict[str, str]:
    """Return identity -> the settings in which runs of the same task differ: ``optimizer.lr=0.01``, mostly nothing.

    What belongs to the keys of ``told`` is left out.
    """
    varied = {task: [key for key in keys if not belongs_to(key, told)] for task, keys in varied_keys(results).items()}
    texts = {key: setting_text(settings, varied[key[0]]) for key, settings in _different(results).items()}
    return {result.identity: texts[result.task, id(result.settings)] for result in results}


def varied_keys(results: Sequence[Result]) -> dict[str, tuple[str, ...]]:
    """Return task -> the keys, in alphabetical order, whose values differ among the runs of the task."""
    spellings: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    counts: dict[str, int] = defaultdict(int)
    present: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (task, _), settings in _different(results).items():
        counts[task] += 1
        for key, value in settings.items():
            spellings[task][key].add(_text(value))
            present[task][key] += value is not None
    # a key that some runs lack has for them the value null
    return {
        task: tuple(
            sorted(
                key
                for key, texts in spellings[task].items()
                if len(texts | ({_text(None)} if present[task][key] < count else set())) > 1
            )
        )
        for task, count in counts.items()
    }


def _different(results: Sequence[Result]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Return task and id -> settings: each object once, for a store gives all runs of equal settings the same one."""
    return {(result.task, id(result.settings)): result.settings for result in results}


def setting_text(settings: Mapping[str, Any], keys: Collection[str]) -> str:
    """Return settings as text: ``optimizer.lr=0.01 opening=one``."""
    return " ".join(_told(settings, key, "") for key in keys)


def shortened(key: str) -> str:
    """Return a key without what says nothing: "opening.name" and its like say no more than "opening"."""
    return key.removesuffix(".name").removesuffix("._target_")


def _told(settings: Mapping[str, Any], key: str, prefix: str) -> str:
    return f"{shortened(key.removeprefix(prefix))}={_text(settings.get(key))}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
