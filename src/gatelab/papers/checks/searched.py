"""Checks of what a setting does to the scores of a random search."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from gatelab.evidence.importance import FEWEST_TRIALS, importances
from gatelab.keys import value_of
from gatelab.papers.checks.check import ALPHA, POWER, OneVariantCheck, absent, between
from gatelab.papers.trials import Trial, Trials
from gatelab.papers.verdicts import Verdict

__all__ = ["DoesNotHelp", "ImportanceBetween"]


class ImportanceBetween(OneVariantCheck):
    """The share of the variance of test scores that a setting explains alone (fANOVA) lies between two numbers.

    *Partly*: it does not, but the setting is the most important one where a least share is claimed, or the least
    important one where a greatest is. *Not comparable*: a share is claimed that is smaller than what a setting which
    does nothing would get of so many trials.
    """

    setting: str
    low: float = Field(default=0.0, ge=0, le=1)
    high: float = Field(default=1.0, ge=0, le=1)

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if few := absent(self, trials):
            return few
        runs = trials.of(self.groups[0])
        shares, of_nothing = _shares(runs, trials)
        if self.setting not in shares:
            why = f"fANOVA needs {FEWEST_TRIALS} trials whose scores and {self.setting} differ"
            return Verdict("not comparable", f"{why}; here are {len(runs)} of {self.groups[0]}")
        ranked = sorted(shares, key=lambda key: (-shares[key], key))
        words = ", ".join(f"{key} {shares[key]:.0%}" for key in ranked)
        words = (
            f"fANOVA over {len(runs)} trials: {words}; a shuffled copy of one gets up to {of_nothing:.0%}; claimed is"
            f" {between(self.low, self.high)}"
        )
        if self.high < of_nothing:
            return Verdict("not comparable", words)
        if self.low <= shares[self.setting] <= self.high:
            return Verdict("reproduced", words)
        expected = ranked[0] if self.low > 0 else ranked[-1]
        return Verdict("partly" if self.setting == expected else "not reproduced", words)


class DoesNotHelp(OneVariantCheck):
    """More of a setting does not go with significantly better test scores (Spearman's rank correlation, one-sided).

    It is not corrected, and never *partly*: as of a difference that is not found, correction would make the claim
    easier to meet. *Not comparable* if so few trials would find a correlation of ``effect`` with a chance of less than
    0.8 (by Fisher's z, with the variance 1.06 / (n - 3) of Fieller, Hartley & Pearson 1957).
    """

    setting: str
    effect: float = Field(default=0.4, gt=0, lt=1)
    """The rank correlation that would matter."""

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
        if found.pvalue < ALPHA:
            return Verdict("not reproduced", words)
        if self._power(len(numbers)) < POWER:
            return Verdict("not comparable", f"{words}: too few trials to find a rho of {self.effect:g}")
        return Verdict("reproduced", f"{words}, which would find a rho of {self.effect:g}")

    def _power(self, trials: int) -> float:
        from scipy.special import ndtr, ndtri

        return float(ndtr(math.atanh(self.effect) * math.sqrt((trials - 3) / 1.06) + ndtri(ALPHA)))


def _scored(runs: Sequence[Trial], trials: Trials) -> list[tuple[Mapping[str, Any], float]]:
    """Return the settings and the test score of each run; a diverged one has the worst score, or is left out."""
    stand_in = trials.stand_in(runs)
    scored = [(run.result.settings, stand_in if math.isnan(run.score) else run.score) for run in runs]
    return [(settings, score) for settings, score in scored if score is not None]


def _shares(runs: Sequence[Trial], trials: Trials) -> tuple[dict[str, float], float]:
    """Return setting -> share of the variance of test scores, and the most that a setting gets which does nothing."""
    known = _scored(runs, trials)
    varied = [key for key in known[0][0] if len({repr(value_of(settings, key)) for settings, _ in known}) > 1]
    values = [{key: value_of(settings, key) for key in varied} for settings, _ in known]
    higher = runs[0].result.higher_is_better
    found = importances(values, [score for _, score in known], higher_is_better=higher)
    return {each.key: each.fanova for each in found}, max((each.fanova_of_nothing for each in found), default=math.nan)
