"""Checks of numbers that are measured of groups of runs."""

import math
from collections.abc import Sequence
from itertools import pairwise

from pydantic import ConfigDict, Field

from gatelab.experiments.check import Check, OneVariantCheck, absent
from gatelab.experiments.measures import Measured, MeasureName, measured
from gatelab.experiments.trials import Group, Trial, Trials
from gatelab.experiments.verdicts import Verdict
from gatelab.reports.importance import FEWEST_TRIALS, importances

__all__ = ["ImportanceBetween", "InOrder", "MeasureBetween"]


class MeasureBetween(OneVariantCheck):
    """A measure of a group lies between two numbers. *Partly*: its 95 % interval reaches them."""

    measure: MeasureName
    low: float = -math.inf
    high: float = math.inf

    # the open ends are infinite, which is else refused
    model_config = ConfigDict(allow_inf_nan=True)

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if few := absent(self, trials):
            return few
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
    measure: MeasureName = "mean_score"
    falling: bool = True

    @property
    def groups(self) -> tuple[Group, ...]:
        return tuple(self.group(variant) for variant in self.variants)

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if few := absent(self, trials):
            return few
        values = [measured(self.measure, trials.of(group)).value for group in self.groups]
        words = ", ".join(f"{group} {value:.4g}" for group, value in zip(self.groups, values, strict=True))
        if any(math.isnan(value) for value in values):
            return Verdict("not comparable", f"{self.measure}: {words}")
        signed = [value if self.falling else -value for value in values]
        if all(one > following for one, following in pairwise(signed)):
            return Verdict("reproduced", f"{self.measure}: {words}")
        return Verdict("partly" if signed[0] > signed[-1] else "not reproduced", f"{self.measure}: {words}")


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
        words = f"fANOVA over {len(runs)} trials: {words}; claimed is {_between(self.low, self.high)}"
        if self.low <= shares[self.setting] <= self.high:
            return Verdict("reproduced", words)
        expected = ranked[0] if self.low > 0 else ranked[-1]
        return Verdict("partly" if self.setting == expected else "not reproduced", words)


def _shares(runs: Sequence[Trial], trials: Trials) -> dict[str, float]:
    """Return setting -> share of the variance of test scores, of every setting that was varied."""
    stand_in = trials.stand_in(runs)
    scored = [(run.result.settings, stand_in if math.isnan(run.score) else run.score) for run in runs]
    known = [(settings, score) for settings, score in scored if score is not None]
    varied = [key for key in known[0][0] if len({repr(settings.get(key)) for settings, _ in known}) > 1]
    values = [{key: settings.get(key) for key in varied} for settings, _ in known]
    higher = runs[0].result.higher_is_better
    found = importances(values, [score for _, score in known], higher_is_better=higher)
    return {each.key: each.fanova for each in found}


def _between(low: float, high: float) -> str:
    if low == -math.inf:
        return f"at most {high:g}"
    return f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"
