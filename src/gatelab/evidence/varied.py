"""Which settings were varied among the runs that are shown: such runs are not seeds of one another."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gatelab.store import Result

__all__ = [
    "belongs_to",
    "setting_text",
    "shortened",
    "varied_keys",
]


def belongs_to(key: str, others: Collection[str]) -> bool:
    """Whether a key is among others or an option of what one of them names, as opening.max_time of opening.name."""
    return key in others or any(
        other.endswith(".name") and key.startswith(other.removesuffix("name")) for other in others
    )


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


def setting_text(settings: Mapping[str, Any], keys: Collection[str], without: str = "") -> str:
    """Return settings as text: ``optimizer.lr=0.01 opening=one``; keys are shown without the prefix ``without``."""
    return " ".join(f"{shortened(key.removeprefix(without))}={_text(settings.get(key))}" for key in keys)


def shortened(key: str) -> str:
    """Return a key without what says nothing: "opening.name" and its like say no more than "opening"."""
    return key.removesuffix(".name").removesuffix("._target_")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
