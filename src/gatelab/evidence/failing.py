"""Runs that failed: how many of a variant's, and what so many runs cannot exclude."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gatelab.statistics import Interval, exact_share
from gatelab.store import Result

__all__ = ["Failures", "failed", "failures", "nearer_to_chance"]


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
        """Whether runs diverged, or some failed and no more than half: what a verdict on typical runs leaves out."""
        return self.diverged > 0 or (self.count > 0 and not self.usual)

    @property
    def usual(self) -> bool:
        """Whether more than half of the runs failed."""
        return 2 * self.count > self.runs

    def __str__(self) -> str:
        return f"{self.count} of {self.runs}"


def failed(result: Result) -> bool:
    """Whether a run diverged or ended nearer to chance than to perfect, by its test score."""
    return result.status != "finished" or nearer_to_chance(result.test.score, result)


def nearer_to_chance(score: float, task: Result) -> bool:
    """Whether a score is nearer to chance than to perfect on the task of a result; False where chance is unknown."""
    beyond = score < task.chance if task.higher_is_better else score > task.chance
    return math.isfinite(task.chance) and (beyond or abs(score - task.chance) < abs(score - task.perfect))


def failures(results: Sequence[Result]) -> Failures:
    """Return the account of a variant's runs; runs of one seed count once, failed if one of them did."""
    seeds = {result.seed for result in results}
    lost = {result.seed for result in results if failed(result)}
    diverged = {result.seed for result in results if result.status != "finished"}
    return Failures(len(lost), len(seeds), len(diverged), exact_share(len(lost), len(seeds)))
