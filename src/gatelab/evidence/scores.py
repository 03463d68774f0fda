"""Scores of stored runs: how tables name them, which way is better, and how runs are paired with the baseline's."""

import math
from collections.abc import Sequence

from gatelab.statistics import Pairs, Policy, diverged_score, pair_by_seed
from gatelab.store import Result

__all__ = ["by_task", "paired", "score_header", "scored", "shown_name", "stand_in", "worse"]


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


def scored(result: Result) -> tuple[int, float]:
    """Return seed and test score of a run; NaN if it diverged."""
    return result.seed, result.test.score if result.status == "finished" else math.nan


def stand_in(results: Sequence[Result], policy: Policy) -> float | None:
    """Return the score that stands for a diverged run among the results of one task; None: it is left out."""
    return diverged_score(
        policy,
        [scored(result)[1] for result in results],
        higher_is_better=results[0].higher_is_better,
        chance=results[0].chance,
    )


def paired(ours: Sequence[Result], theirs: Sequence[Result], diverged_as: float | None) -> Pairs:
    """Pair the runs of a variant with those of the baseline, on one task, by seed; whatever shows a gain uses this.

    ``diverged_as`` is the score of a diverged run (see ``stand_in``). The differences are positive where ours are
    better, whichever way the score points.
    """
    return pair_by_seed(
        map(scored, ours),
        map(scored, theirs),
        higher_is_better=ours[0].higher_is_better,
        diverged_as=diverged_as,
    )
