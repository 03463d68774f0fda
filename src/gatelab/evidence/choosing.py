"""Which setting of a variant is reported, and at which seeds it may be compared: decided by validation alone.

A setting can be chosen if it has at least half as many seeds as the one with the most: a lucky trial does not beat a
comparison over many seeds, and a seed less does not lose one. Of those the best mean validation score is chosen, over
the seeds that all of them have where these are many enough, and over the seeds of each otherwise. A diverged run counts
as the question says; what stands for it is the worst finished run of its own setting, or chance if that is worse.

Seeds that took no part in that are fresh.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gatelab.evidence.scores import mean_by_seed, worse
from gatelab.evidence.selection import Selection
from gatelab.keys import value_of
from gatelab.statistics import Policy, diverged_score
from gatelab.store import Result

__all__ = ["FEWEST_FRESH", "Compared", "Tried", "settings_tried", "to_compare"]

FEWEST_FRESH = 6
"""Fresh seeds in common from which these alone are compared: fewer could not decide anything."""


@dataclass(frozen=True, slots=True)
class Tried:
    """The results of one variant on one task that differ in nothing but their seed."""

    text: str
    """Of the searched settings; empty if nothing was searched."""
    values: Mapping[str, Any]
    """Searched key -> value."""
    results: tuple[Result, ...]
    judged: Mapping[int, float]
    """Seed -> best validation score; without the seeds that the policy leaves out."""
    fresh: frozenset[int] = frozenset()
    """Of the setting that is reported: its seeds that took no part in choosing it."""

    @property
    def validation(self) -> float:
        """Mean validation score over the seeds; NaN without one."""
        return self.over(self.judged)

    def over(self, seeds: Mapping[int, float] | frozenset[int]) -> float:
        """Return the mean validation score over some of the seeds; NaN without one."""
        known = [self.judged[seed] for seed in seeds]
        return math.fsum(known) / len(known) if known else math.nan


def settings_tried(selection: Selection) -> dict[tuple[str, str], tuple[Tried, ...]]:
    """Return task and label -> its settings, the one that is reported first; computed once for a selection."""
    if "tried" not in selection.kept:
        selection.kept["tried"] = _settings_tried(selection)
    found: dict[tuple[str, str], tuple[Tried, ...]] = selection.kept["tried"]
    return found


def _settings_tried(selection: Selection) -> dict[tuple[str, str], tuple[Tried, ...]]:
    groups: dict[tuple[str, str], dict[str, list[Result]]] = {}
    for result in selection.results:
        texts = groups.setdefault((result.task, result.label), {})
        texts.setdefault(selection.settings[result.identity], []).append(result)
    policy = selection.question.diverged
    return {
        (task, label): _ordered(
            [_tried(text, found, selection.searched[task], policy) for text, found in texts.items()]
        )
        for (task, label), texts in groups.items()
    }


def _tried(text: str, results: Sequence[Result], keys: Sequence[str], policy: Policy) -> Tried:
    scores = [(each.seed, each.validation.score if each.status == "finished" else math.nan) for each in results]
    stand_in = diverged_score(
        policy,
        [score for _, score in scores],
        higher_is_better=results[0].higher_is_better,
        chance=results[0].chance,
    )
    judged = {seed: score for seed, score in mean_by_seed(scores, stand_in).items() if math.isfinite(score)}
    return Tried(text, {key: value_of(results[0].settings, key) for key in keys}, tuple(results), judged)


def _ordered(settings: Sequence[Tried]) -> tuple[Tried, ...]:
    """Return the settings, the chosen one first, with its fresh seeds, those that could not be chosen last."""
    higher = settings[0].results[0].higher_is_better
    most = max(len(each.judged) for each in settings)
    able = {each.text: each for each in settings if 2 * len(each.judged) >= most}
    common = frozenset.intersection(*(frozenset(each.judged) for each in able.values()))
    same_seeds = 2 * len(common) >= most > 0

    def rank(each: Tried) -> tuple[bool, float, str]:
        score = each.over(common) if same_seeds and each.text in able else each.validation
        return each.text not in able, worse(score, higher_is_better=higher), each.text

    chosen, *others = sorted(settings, key=rank)
    seeds = frozenset(result.seed for result in chosen.results)
    used = {seed for each in others if each.text not in able for seed in each.judged}
    if len(able) > 1:
        used |= common if same_seeds else seeds
    return replace(chosen, fresh=seeds - used), *others


@dataclass(frozen=True, slots=True)
class Compared:
    """The results of two variants on one task that are compared."""

    ours: tuple[Result, ...]
    theirs: tuple[Result, ...]
    fresh: bool
    """Whether no seed of a pair took part in choosing a setting."""
    left_out: int
    """Common seeds that did, and are left out."""


def to_compare(
    ours: Sequence[Result], our_fresh: frozenset[int], theirs: Sequence[Result], their_fresh: frozenset[int]
) -> Compared:
    """Return which results of two reported settings are compared: those of fresh seeds, if enough are in common."""
    common = {result.seed for result in ours} & {result.seed for result in theirs}
    fresh = common & our_fresh & their_fresh
    if fresh == common or len(fresh) < FEWEST_FRESH:
        return Compared(tuple(ours), tuple(theirs), fresh == common, 0)
    kept = [tuple(result for result in side if result.seed in fresh) for side in (ours, theirs)]
    return Compared(kept[0], kept[1], True, len(common - fresh))
