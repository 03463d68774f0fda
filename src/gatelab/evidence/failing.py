"""Runs that failed: how many of a variant's, and what so many runs cannot exclude."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gatelab.statistics import Interval, exact_share
from gatelab.store import Result

__all__ = ["Failures", "failed", "failures"]


@dataclass(frozen=True, slots=True)
class Failures:
    """How many runs of a variant on a task failed: they diverged, or ended nearer to chance than to perfect."""

    count: int
    runs: int
    diverged: int
    share: Interval
    """Of the runs that would fail, with the exact interval of 95 %: none of 10 excludes only more than 31 %."""

    @property
    def rare(self) -> bool:
        """Whether runs diverged, or some failed where most did not: what a verdict on typical runs leaves out."""
        return self.diverged > 0 or 0 < 2 * self.count < self.runs

    def __str__(self) -> str:
        return f"{self.count} of {self.runs}"


def failed(result: Result) -> bool:
    """Whether a run diverged or ended nearer to chance than to perfect, by its test score."""
    if result.status != "finished":
        return True
    from_chance, from_perfect = abs(result.test.score - result.chance), abs(result.test.score - result.perfect)
    beyond = result.test.score < result.chance if result.higher_is_better else result.test.score > result.chance
    return math.isfinite(result.chance) and (beyond or from_chance < from_perfect)


def failures(results: Sequence[Result]) -> Failures:
    """Return the account of a variant's runs; runs of one seed count once, failed if one of them did."""
    seeds = {result.seed for result in results}
    lost = {result.seed for result in results if failed(result)}
    diverged = {result.seed for result in results if result.status != "finished"}
    return Failures(len(lost), len(seeds), len(diverged), exact_share(len(lost), len(seeds)))
