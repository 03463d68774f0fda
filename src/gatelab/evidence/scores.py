"""How tables name a score, which way is better, and which of two is."""

import math
from collections.abc import Sequence

from gatelab.store import Result

__all__ = ["by_task", "score_header", "shown_name", "worse"]


def shown_name(result: Result) -> str:
    """Return the name of a result's score with the direction in which it gets better, such as ``accuracy ↑``."""
    return f"{result.score_name} {'↑' if result.higher_is_better else '↓'}"


def score_header(results: Sequence[Result]) -> str:
    """Return what the results' scores are called: by name if they have one in common, else ``score``."""
    names = {shown_name(result) for result in results}
    return names.pop() if len(names) == 1 else "score"


def worse(score: float, *, higher_is_better: bool) -> float:
    """Return a number that grows as a score gets worse: sorting by it puts the best first, and NaN last."""
    if math.isnan(score):
        return math.inf
    return -score if higher_is_better else score


def by_task(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the results of each task, tasks in alphabetical order."""
    groups: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: result.task):
        groups.setdefault(result.task, []).append(result)
    return groups
