"""Checks of how many runs solve a task."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from gatelab.papers.checks.check import POWER, Check, OneVariantCheck, absent
from gatelab.papers.trials import RunGroup, Trial, Trials
from gatelab.papers.verdicts import Verdict
from gatelab.statistics import wilson_share

__all__ = ["FractionSolvedAtLeast", "FractionSolvedAtMost", "SolvesAndOtherDoesNot"]


def _solved(trials: list[Trial], score: float | None = None) -> tuple[int, str]:
    solved = sum(trial.solved if score is None else trial.reaches(score) for trial in trials)
    share = wilson_share(solved, len(trials))
    of_all = f"{100 * share.estimate:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"
    done = "solved it" if score is None else f"reached {score:g}"
    return solved, f"{solved} of {len(trials)} runs {done}, {of_all}"


class _FractionSolved(OneVariantCheck):
    """A share of a variant's runs solve the task."""

    at_least: ClassVar[bool]
    """Whether the share is the smallest that is claimed, or the greatest."""

    fraction: float = Field(ge=0, le=1)
    score: float | None = None
    """The test score that counts here, in place of the one from which a run has solved its task."""

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if few := absent(self, trials):
            return few
        runs = trials.of(self.groups[0])
        solved, words = _solved(runs, self.score)
        limit = self.fraction * len(runs)
        if solved >= limit if self.at_least else solved <= limit:
            return self.met(len(runs), words)
        words += f", claimed is {'' if self.at_least else 'at most '}{self.fraction:.0%}"
        points_its_way = solved > 0 if self.at_least else solved < len(runs)
        return Verdict("partly" if points_its_way else "not reproduced", words)

    def met(self, runs: int, words: str) -> Verdict:
        """Return the verdict on runs that are as the claim says."""
        return Verdict("reproduced", words)


class FractionSolvedAtLeast(_FractionSolved):
    """At least this share of a variant's runs solve the task. *Partly*: some do, and too few."""

    at_least = True


class FractionSolvedAtMost(_FractionSolved):
    """At most this share of a variant's runs solve the task. *Partly*: more do, and not all.

    *Not comparable* if so few runs would mostly show the same where a share larger by ``effect`` solves it.
    """

    at_least = False
    effect: float = Field(default=0.2, gt=0, le=1)
    """How much larger a share would matter: with it, more than the claimed share is seen with a chance of 0.8."""

    def met(self, runs: int, words: str) -> Verdict:
        from scipy.special import bdtr  # takes half a second to import

        share = min(1.0, self.fraction + self.effect)
        # as many as still meet the claim
        seen = 1 - float(bdtr(math.floor(self.fraction * runs), runs, share))
        if seen >= POWER:
            return Verdict("reproduced", words)
        return Verdict("not comparable", f"{words}: too few runs to tell {self.fraction:.0%} from {share:.0%}")


class SolvesAndOtherDoesNot(Check):
    """A share of one variant's runs solve the task, and hardly any of the other's. *Partly*: more of the one's do."""

    variant: str
    other: str
    other_where: Mapping[str, Any] = Field(default_factory=dict)
    """Settings of the other's runs, where they differ from ``where``."""
    at_least: float = Field(default=0.5, ge=0, le=1)
    other_at_most: float = Field(default=0.0, ge=0, le=1)

    @property
    def groups(self) -> tuple[RunGroup, ...]:
        return self.group(self.variant), self.group(self.other, self.other_where)

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if few := absent(self, trials):
            return few
        shares, words = [], []
        for group in self.groups:
            runs = trials.of(group)
            solved, text = _solved(runs)
            shares.append(solved / len(runs))
            words.append(f"{group}: {text}")
        why = "; ".join(words)
        if shares[0] >= self.at_least and shares[1] <= self.other_at_most:
            return Verdict("reproduced", why)
        return Verdict("partly" if shares[0] > shares[1] else "not reproduced", why)
