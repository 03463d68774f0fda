"""Which settings were varied among the runs that are shown: such runs are not seeds of one another."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gatelab.runs import Result

__all__ = ["tasks_told_apart", "varied_settings"]


def tasks_told_apart(results: Sequence[Result]) -> list[Result]:
    """Return the results with the settings of a task that differ added to its name: ``adding length=200``."""
    return [replace(result, task=" ".join([result.task, *_varied(result, results, "task.")])) for result in results]


def varied_settings(results: Sequence[Result]) -> dict[str, str]:
    """Return identity -> the settings in which runs of the same task differ: ``optimizer.lr=0.01``, mostly nothing."""
    return {result.identity: " ".join(_varied(result, results, "")) for result in results}


def _varied(result: Result, results: Sequence[Result], prefix: str) -> list[str]:
    others = [other.settings for other in results if other.task == result.task]
    keys = {key for settings in others for key in settings if key.startswith(prefix)}
    varied = sorted(key for key in keys if len({_text(settings.get(key)) for settings in others}) > 1)
    return [f"{_shortened(key, prefix)}={_text(result.settings.get(key))}" for key in varied]


def _shortened(key: str, prefix: str) -> str:
    # "opening.name" and its like say no more than "opening"
    return key.removeprefix(prefix).removesuffix(".name").removesuffix("._target_")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
