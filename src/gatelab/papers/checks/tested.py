"""Checks that are statistical tests of two groups of runs."""

import math
from typing import ClassVar, Literal

from gatelab.papers.checks.check import ALPHA, TwoVariantsCheck, absent
from gatelab.papers.measures import measured
from gatelab.papers.trials import Trials
from gatelab.papers.verdicts import Verdict
from gatelab.randomness import generator
from gatelab.statistics import Significance, pair_by_seed, sample, sign_flip_test, welch_test

__all__ = ["NotSignificantlyDifferent", "SignificantlyBetter", "SignificantlyWorse", "Test"]


class Test(TwoVariantsCheck):
    """A test of two variants' scores; a diverged run scores like the worst run of the task, or chance."""

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

    Never *partly*. That nothing is found does not show that there is nothing: the reason tells the number of runs.
    """

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        found = self.significance(trials)
        if found is None or found.degenerate or found.smallest_p >= ALPHA:
            few = "so few runs, or runs so equal, that no test could tell them apart"
            return absent(self, trials, least=2) or Verdict("not comparable", few)
        words = self.words(trials, found, found.p).replace("corrected p", "p")
        counted = " and ".join(f"{len(trials.of(group))} runs" for group in self.groups)
        return Verdict("not reproduced" if found.p < ALPHA else "reproduced", f"{words}, {counted}")
