"""Scores of stored runs: how tables name them, which way is better, and how runs are paired with the baseline's."""

import math
from collections.abc import Iterable, Sequence

from gatelab.statistics import (
    Counts,
    Pairs,
    Policy,
    Sample,
    diverged_score,
    pair_by_seed,
    pair_typical_runs,
    sample,
)
from gatelab.store import Result

__all__ = [
    "by_seed",
    "mean_by_seed",
    "paired",
    "paired_typical",
    "score_header",
    "scored",
    "shown_name",
    "stand_in",
    "worse",
]


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


def scored(result: Result) -> tuple[int, float]:
    """Return seed and test score of a run; NaN if it diverged."""
    return result.seed, result.test.score if result.status == "finished" else math.nan


def mean_by_seed(scores: Iterable[tuple[int, float]], diverged_as: float | None) -> dict[int, float]:
    """Return seed -> score, seeds in order: several runs of one seed count as one, by their mean.

    A diverged run (NaN) has the score ``diverged_as``; with None, its seed has none (NaN).
    """
    seeds: dict[int, list[float]] = {}
    for seed, score in scores:
        filled = score if math.isfinite(score) or diverged_as is None else diverged_as
        seeds.setdefault(seed, []).append(filled)
    return {seed: math.fsum(seeds[seed]) / len(seeds[seed]) for seed in sorted(seeds)}


def by_seed(results: Sequence[Result], diverged_as: float | None) -> Sample:
    """Return the test scores of a variant on a task, one for each seed; see ``mean_by_seed``."""
    scores = list(map(scored, results))
    means = mean_by_seed(scores, diverged_as)
    lost = len({seed for seed, score in scores if not math.isfinite(score)})
    found = sample(list(means.values()))
    return Sample(found.values, Counts(len(means), lost, found.counts.n_used))


def stand_in(results: Sequence[Result], policy: Policy) -> float | None:
    """Return the score that stands for a diverged run of the results, of one task; None: it is left out.

    Only the results of the two variants that are compared belong here: no other's run says what these two are worth.
    """
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


def paired_typical(ours: Sequence[Result], theirs: Sequence[Result], diverged_as: float | None) -> Pairs:
    """Pair the same runs for the test of typical runs, where a diverged run is put at the middle of all.

    With ``diverged_as`` None diverged runs are left out, as everywhere.
    """
    if diverged_as is None:
        return paired(ours, theirs, None)
    return pair_typical_runs(
        map(scored, ours), map(scored, theirs), higher_is_better=ours[0].higher_is_better, diverged_as=diverged_as
    )
