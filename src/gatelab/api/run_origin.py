"""Where the weights of a run come from, as the plain values that its file and its model card hold."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gatelab.statistics.intervals import student_interval
from gatelab.store import Result

__all__ = ["origin"]


def origin(result: Result, weights: str, provenance: Mapping[str, Any], beside: Sequence[Result]) -> dict[str, Any]:
    """Return task, protocol, versions and, for the best weights, scores.

    Args:
        result: of the run.
        weights: which of its weights: "best", "last" or "initial".
        provenance: of the run.
        beside: all runs of the store. Those that differ in the seed alone give the mean over seeds and its interval.
    """
    same = [one for one in beside if _protocol(one) == _protocol(result)]
    return {
        "run": result.identity,
        "variant": result.label,
        "task": result.task,
        "seed": result.seed,
        "weights": weights,
        "steps": result.steps,
        "best_step": result.best_step,
        **(_scores(result, same) if weights == "best" else {}),
        "settings": {key: _without_folders(value) for key, value in result.settings.items()},
        "versions": dict(provenance.get("versions") or {}),
        "git": dict(provenance.get("git") or {}),
        "date": provenance.get("date"),
    }


def _protocol(result: Result) -> tuple[Any, ...]:
    return result.label, result.variant, result.task, result.settings


def _scores(result: Result, same: Sequence[Result]) -> dict[str, Any]:
    finished = [one.test.score for one in same if one.status == "finished"]
    interval = student_interval(finished)
    known = None if interval.degenerate else [interval.low, interval.high]
    return {
        "score_name": result.score_name,
        "higher_is_better": result.higher_is_better,
        "test_score": _number(result.test.score),
        "validation_score": _number(result.validation.score),
        "chance": _number(result.chance),
        "perfect": _number(result.perfect),
        "seeds": len(finished),
        "diverged_seeds": len(same) - len(finished),
        "mean_test_score": _number(interval.estimate),
        "mean_interval": known,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _without_folders(value: Any) -> Any:
    """Return a setting without the folders of this machine; files keep their names."""
    if isinstance(value, list | tuple):
        return [_without_folders(item) for item in value]
    if isinstance(value, float):
        return _number(value)
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
