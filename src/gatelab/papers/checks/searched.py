"""Checks of what a setting does to the scores of a random search."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from gatelab.evidence.importance import FEWEST_TRIALS, importances
from gatelab.keys import value_of
from gatelab.papers.checks.check import ALPHA, OneVariantCheck, absent, between
from gatelab.papers.trials import Trial, Trials
from gatelab.papers.verdicts import Verdict

__all__ = ["DoesNotHelp", "ImportanceBetween"]


class ImportanceBetween(OneVariantCheck):
    """The share of the variance of test scores that a setting explains alone (fANOVA) lies between two numbers.

    *Partly*: it does not, but the setting is the most important one where a least share is claimed, or the least
    important one where a greatest is.
    """

    setting: str
    low: float = Field(default=0.0, ge=0, le=1)
    high: float = Field(default=1.0, ge=0, le=1)

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if few := absent(self, trials):
            return few
        runs = trials.of(self.groups[0])
        shares = _shares(runs, trials)
        if self.setting not in shares:
            why = f"fANOVA needs {FEWEST_TRIALS} trials whose scores and {self.setting} differ"
            return Verdict("not comparable", f"{why}; here are {len(runs)} of {self.groups[0]}")
        ranked = sorted(shares, key=lambda key: (-shares[key], key))
        words = ", ".join(f"{key} {shares[key]:.0%}" for key in ranked)
        words = f"fANOVA over {len(runs)} trials: {words}; claimed is {between(self.low, self.high)}"
        if self.low <= shares[self.setting] <= self.high:
            return Verdict("reproduced", words)
        expected = ranked[0] if self.low > 0 else ranked[-1]
        return Verdict("partly" if self.setting == expected else "not reproduced", words)


class DoesNotHelp(OneVariantCheck):
    """More of a setting does not go with significantly better test scores (Spearman's rank correlation, one-sided).

    It is not corrected, and never *partly*: as of a difference that is not found, correction would make the claim
    easier to meet.
    """

    setting: str

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if few := absent(self, trials):
            return few
        runs = trials.of(self.groups[0])
        scored = _scored(runs, trials)
        amounts = [value_of(settings, self.setting) for settings, _ in scored]
        numbers = [float(amount) for amount in amounts if isinstance(amount, int | float)]
        sign = 1 if runs[0].result.higher_is_better else -1
        goodness = [sign * score for _, score in scored]
        if len(numbers) < max(len(amounts), FEWEST_TRIALS) or len(set(numbers)) < 2 or len(set(goodness)) < 2:
            why = f"a correlation needs {FEWEST_TRIALS} trials whose scores and {self.setting}, a number, differ"
            return Verdict("not comparable", f"{why}; here are {len(runs)} of {self.groups[0]}")
        from scipy.stats import spearmanr  # takes half a second to import

        found = spearmanr(numbers, goodness, alternative="greater")
        words = (
            f"over {len(numbers)} trials Spearman's rho of {self.setting} with how good the test score is "
            f"= {found.statistic:+.2f} (one-sided p that it helps = {found.pvalue:.2g})"
        )
        return Verdict("not reproduced" if found.pvalue < ALPHA else "reproduced", words)


def _scored(runs: Sequence[Trial], trials: Trials) -> list[tuple[Mapping[str, Any], float]]:
    """Return the settings and the test score of each run; a diverged one has the worst score, or is left out."""
    stand_in = trials.stand_in(runs)
    scored = [(run.result.settings, stand_in if math.isnan(run.score) else run.score) for run in runs]
    return [(settings, score) for settings, score in scored if score is not None]


def _shares(runs: Sequence[Trial], trials: Trials) -> dict[str, float]:
    """Return setting -> share of the variance of test scores, of every setting that was varied."""
    known = _scored(runs, trials)
    varied = [key for key in known[0][0] if len({repr(value_of(settings, key)) for settings, _ in known}) > 1]
    values = [{key: value_of(settings, key) for key in varied} for settings, _ in known]
    higher = runs[0].result.higher_is_better
    found = importances(values, [score for _, score in known], higher_is_better=higher)
    return {each.key: each.fanova for each in found}
