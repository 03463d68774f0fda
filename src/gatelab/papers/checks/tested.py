"""Checks that are statistical tests of two groups of runs."""

import math
from typing import ClassVar, Literal

from pydantic import Field

from gatelab.papers.checks.check import ALPHA, POWER, TwoVariantsCheck, absent
from gatelab.papers.measures import measured
from gatelab.papers.trials import Trials
from gatelab.papers.verdicts import Verdict
from gatelab.randomness import generator
from gatelab.statistics import (
    Significance,
    pair_by_seed,
    sample,
    seeds_needed,
    sign_flip_test,
    smallest_detectable_effect,
    welch_test,
)

__all__ = ["NotSignificantlyDifferent", "SignificantlyBetter", "SignificantlyWorse", "Test"]


class Test(TwoVariantsCheck):
    """A test of two variants' scores; a diverged run scores like the worst run of the two, or chance."""

    __test__: ClassVar[bool] = False  # no test of pytest's

    on: Literal["score"] = "score"
    """The test score."""
    test: Literal["paired", "welch"] = "paired"
    """Sign flips of the differences at each seed, or Welch's t of independent runs."""

    def significance(self, trials: Trials) -> Significance | None:
        """Return the test, uncorrected, positive where ``variant`` is better; None without two runs on each side."""
        if absent(self, trials, least=2):
            return None
        ours, theirs = (trials.of(group) for group in self.groups)
        higher, stand_in = ours[0].result.higher_is_better, trials.stand_in([*ours, *theirs])
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
            return absent(self, trials, least=2) or Verdict("not comparable", "too few runs")
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

    Never *partly*. That nothing is found shows something only if a difference would have been: *not comparable* if so
    few runs would find one of ``effect`` with a chance of less than 0.8.
    """

    effect: float = Field(default=1.0, gt=0)
    """The difference that would matter, in standard deviations: of the scores, or of the paired differences."""

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        found = self.significance(trials)
        if found is None or found.degenerate or found.smallest_p >= ALPHA:
            few = "so few runs, or runs so equal, that no test could tell them apart"
            return absent(self, trials, least=2) or Verdict("not comparable", few)
        runs = [len(trials.of(group)) for group in self.groups]
        words = self.words(trials, found, found.p).replace("corrected p", "p")
        words += f", {' and '.join(f'{count} runs' for count in runs)}"
        if found.p < ALPHA:
            return Verdict("not reproduced", words)
        paired = self.test == "paired"
        # as many on each side as say the same together
        n = found.n_used if paired else math.floor(2 / sum(1 / count for count in runs))
        seen = smallest_detectable_effect(n, paired=paired, power=POWER, alpha=ALPHA)
        if seen <= self.effect:
            return Verdict("reproduced", f"{words}, which would find {self.effect:g} standard deviations")
        needed = seeds_needed(self.effect, paired=paired, power=POWER, alpha=ALPHA)
        return Verdict(
            "not comparable",
            f"{words}: they find differences from {seen:.2g} standard deviations on with a chance of {POWER:g}, and"
            f" {self.effect:g} would matter, which takes {needed} runs of each",
        )
