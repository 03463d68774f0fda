"""The checks that a claim can be tied to, by name. Each turns runs into a verdict of fixed words.

A check says *reproduced* if the runs show what is claimed, *not reproduced* if they show that it is not so, *partly* if
they point the way of the claim and fall short of it, and *not comparable* if there are too few runs to say anything.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gatelab.experiments.measures import MEASURES, Measured, measured
from gatelab.experiments.trials import Group, Trial, Trials
from gatelab.experiments.verdicts import Verdict
from gatelab.randomness import generator
from gatelab.statistics import Significance, pair_by_seed, sample, sign_flip_test, welch_test

__all__ = ["ALPHA", "CHECKS", "Check", "Test"]

ALPHA = 0.05
"""Tests of one page are corrected together (Holm) and held against this."""

_Share = Field(ge=0, le=1)


class Check(BaseModel, ABC):
    """What a claim is tied to; its fields are the arguments in claims.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    where: Mapping[str, Any] = Field(default_factory=dict)
    """Settings that pick out runs: ``{optimizer.lr: 0.1}``."""
    best: float = Field(default=1.0, gt=0, le=1)
    """Of each variant only this share of the runs, those with the best validation scores."""

    def group(self, variant: str) -> Group:
        """Return the runs of a label that the check speaks of."""
        return Group(variant, self.where, self.best)

    @property
    @abstractmethod
    def groups(self) -> tuple[Group, ...]:
        """All runs that are needed."""

    @abstractmethod
    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        """Return what the runs say.

        Args:
            trials: all runs of the experiment.
            p: of a test, corrected for the others of the page.
        """


def _absent(check: Check, trials: Trials, least: int = 1) -> Verdict | None:
    """Return that nothing can be said if a group has fewer runs than ``least``."""
    for group in check.groups:
        found = len(trials.of(group))
        if found < least:
            few = "no run" if found == 0 else "one run only"
            return Verdict("not comparable", f"{few} of {group}")
    return None


def _solved(trials: list[Trial]) -> tuple[int, str]:
    solved = sum(trial.solved for trial in trials)
    return solved, f"{solved} of {len(trials)} runs solved it"


class FractionSolvedAtLeast(Check):
    """At least this share of a variant's runs solve the task. *Partly*: some do, and too few."""

    variant: str
    fraction: float = _Share

    @property
    def groups(self) -> tuple[Group, ...]:
        return (self.group(self.variant),)

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if absent := _absent(self, trials):
            return absent
        runs = trials.of(self.groups[0])
        solved, words = _solved(runs)
        if solved >= self.fraction * len(runs):
            return Verdict("reproduced", words)
        return Verdict("partly" if solved else "not reproduced", f"{words}, claimed is {self.fraction:.0%}")


class FractionSolvedAtMost(Check):
    """At most this share of a variant's runs solve the task. *Partly*: more do, and not all."""

    variant: str
    fraction: float = _Share

    @property
    def groups(self) -> tuple[Group, ...]:
        return (self.group(self.variant),)

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if absent := _absent(self, trials):
            return absent
        runs = trials.of(self.groups[0])
        solved, words = _solved(runs)
        if solved <= self.fraction * len(runs):
            return Verdict("reproduced", words)
        word: Literal["partly", "not reproduced"] = "partly" if solved < len(runs) else "not reproduced"
        return Verdict(word, f"{words}, claimed is at most {self.fraction:.0%}")


class SolvesAndOtherDoesNot(Check):
    """A share of one variant's runs solve the task, and hardly any of the other's. *Partly*: more of the one's do."""

    variant: str
    other: str
    at_least: float = Field(default=0.5, ge=0, le=1)
    other_at_most: float = Field(default=0.0, ge=0, le=1)

    @property
    def groups(self) -> tuple[Group, ...]:
        return self.group(self.variant), self.group(self.other)

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if absent := _absent(self, trials):
            return absent
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


class Test(Check):
    """A test of two variants' scores; a diverged run scores like the worst run of the task, or chance."""

    __test__: ClassVar[bool] = False  # no test of pytest's

    variant: str
    than: str
    on: Literal["score"] = "score"
    """The test score."""
    test: Literal["paired", "welch"] = "paired"
    """Sign flips of the differences at each seed, or Welch's t of independent runs."""

    @property
    def groups(self) -> tuple[Group, ...]:
        return self.group(self.variant), self.group(self.than)

    def significance(self, trials: Trials) -> Significance | None:
        """Return the test, uncorrected, positive where ``variant`` is better; None without two runs on each side."""
        if _absent(self, trials, least=2):
            return None
        ours, theirs = (trials.of(group) for group in self.groups)
        higher, stand_in = ours[0].result.higher_is_better, trials.stand_in(ours)
        if self.test == "welch":
            sides = [sample([trial.score for trial in side], diverged_as=stand_in) for side in (ours, theirs)]
            return welch_test(*sides, higher_is_better=higher)
        scored = [[(trial.result.seed, trial.score) for trial in side] for side in (ours, theirs)]
        pairs = pair_by_seed(*scored, higher_is_better=higher, diverged_as=stand_in)
        return sign_flip_test(pairs.differences, generator=generator(0, "claim"))

    def words(self, trials: Trials, found: Significance, p: float) -> str:
        """Return the means and the test as a sentence."""
        means = [measured("mean_score", trials.of(group)).value for group in self.groups]
        both = " against ".join(f"{group} {mean:.4g}" for group, mean in zip(self.groups, means, strict=True))
        return f"{both} (mean test scores; {found.test}, corrected p = {p:.2g})"

    def directed(self, trials: Trials, p: float | None, *, better: bool) -> Verdict:
        """Return the verdict on a difference that is claimed to have a direction."""
        found = self.significance(trials)
        if found is None:
            return _absent(self, trials, least=2) or Verdict("not comparable", "too few runs")
        p = found.p if p is None else p
        words = self.words(trials, found, p)
        if not (found.statistic > 0 if better else found.statistic < 0):
            # a t statistic is undefined where no side has any spread
            return Verdict("not comparable" if math.isnan(found.statistic) else "not reproduced", words)
        if p < ALPHA:
            return Verdict("reproduced", words)
        if found.smallest_p >= ALPHA:
            words += f", and so few runs cannot reach less than {found.smallest_p:.2g}"
        return Verdict("partly", f"{words}: not significant")


class SignificantlyWorse(Test):
    """One variant scores significantly worse. *Partly*: worse on average, and not significantly."""

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        return self.directed(trials, p, better=False)


class SignificantlyBetter(Test):
    """One variant scores significantly better. *Partly*: better on average, and not significantly."""

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        return self.directed(trials, p, better=True)


class NotSignificantlyDifferent(Test):
    """The test of the paper finds no difference. It is not corrected: correction would make the claim easier to meet.

    Never *partly*. That nothing is found does not show that there is nothing: the reason tells the number of runs.
    """

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        found = self.significance(trials)
        if found is None or found.degenerate or found.smallest_p >= ALPHA:
            few = "so few runs, or runs so equal, that no test could tell them apart"
            return _absent(self, trials, least=2) or Verdict("not comparable", few)
        words = self.words(trials, found, found.p).replace("corrected p", "p")
        counted = " and ".join(f"{len(trials.of(group))} runs" for group in self.groups)
        return Verdict("not reproduced" if found.p < ALPHA else "reproduced", f"{words}, {counted}")


class MeasureBetween(Check):
    """A measure of a group lies between two numbers. *Partly*: its 95 % interval reaches them."""

    variant: str
    measure: str
    low: float = -math.inf
    high: float = math.inf

    # the open ends are infinite, which is else refused
    model_config = ConfigDict(allow_inf_nan=True)

    @field_validator("measure")
    @classmethod
    def _known(cls, measure: str) -> str:
        if measure not in MEASURES:
            raise ValueError(f"must be one of {', '.join(MEASURES)}")
        return measure

    @property
    def groups(self) -> tuple[Group, ...]:
        return (self.group(self.variant),)

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if absent := _absent(self, trials):
            return absent
        ours = measured(self.measure, trials.of(self.groups[0]))
        if math.isnan(ours.value):
            return Verdict("not comparable", f"no run of {self.groups[0]} has a {self.measure}")
        words = f"{self.measure} = {ours.value:.4g}, claimed is {_between(self.low, self.high)}"
        if self.low <= ours.value <= self.high:
            return Verdict("reproduced", words)
        return Verdict("partly" if self._reached(ours) else "not reproduced", words)

    def _reached(self, ours: Measured) -> bool:
        return ours.low <= self.high and self.low <= ours.high


class InOrder(Check):
    """The measures of several variants fall (or rise) in this order. *Partly*: the first and the last do."""

    variants: tuple[str, ...] = Field(min_length=2)
    measure: str = "mean_score"
    falling: bool = True

    @property
    def groups(self) -> tuple[Group, ...]:
        return tuple(self.group(variant) for variant in self.variants)

    @field_validator("measure")
    @classmethod
    def _known(cls, measure: str) -> str:
        if measure not in MEASURES:
            raise ValueError(f"must be one of {', '.join(MEASURES)}")
        return measure

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if absent := _absent(self, trials):
            return absent
        values = [measured(self.measure, trials.of(group)).value for group in self.groups]
        words = ", ".join(f"{group} {value:.4g}" for group, value in zip(self.groups, values, strict=True))
        if any(math.isnan(value) for value in values):
            return Verdict("not comparable", f"{self.measure}: {words}")
        signed = [value if self.falling else -value for value in values]
        if all(one > following for one, following in pairwise(signed)):
            return Verdict("reproduced", f"{self.measure}: {words}")
        return Verdict("partly" if signed[0] > signed[-1] else "not reproduced", f"{self.measure}: {words}")


def _between(low: float, high: float) -> str:
    if low == -math.inf:
        return f"at most {high:g}"
    return f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"


CHECKS: dict[str, type[Check]] = {
    "fraction_solved_at_least": FractionSolvedAtLeast,
    "fraction_solved_at_most": FractionSolvedAtMost,
    "solves_and_other_does_not": SolvesAndOtherDoesNot,
    "significantly_worse": SignificantlyWorse,
    "significantly_better": SignificantlyBetter,
    "not_significantly_different": NotSignificantlyDifferent,
    "measure_between": MeasureBetween,
    "in_order": InOrder,
}
"""Name in claims.yaml -> check."""
