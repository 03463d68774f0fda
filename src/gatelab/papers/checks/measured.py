"""Checks of numbers that are measured of groups of runs."""

import math
from itertools import pairwise

from pydantic import ConfigDict, Field

from gatelab.papers.checks.check import Check, OneVariantCheck, TwoVariantsCheck, absent, between
from gatelab.papers.measures import Measured, MeasureName, measured
from gatelab.papers.trials import RunGroup, Trials
from gatelab.papers.verdicts import Verdict

__all__ = ["InOrder", "MeasureBetween", "RatioBetween"]


class _RangeOfMeasure(Check):
    """What a check of a measure is given."""

    measure: MeasureName
    low: float = -math.inf
    high: float = math.inf

    # the open ends are infinite, which is else refused
    model_config = ConfigDict(allow_inf_nan=True)


class MeasureBetween(OneVariantCheck, _RangeOfMeasure):
    """A measure of a group lies between two numbers. *Partly*: its 95 % interval reaches them."""

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if few := absent(self, trials):
            return few
        ours = measured(self.measure, trials.of(self.groups[0]))
        if math.isnan(ours.value):
            return _unmeasured(self.groups[0], self.measure)
        words = f"{self.measure} = {ours.value:.4g}, claimed is {between(self.low, self.high)}"
        if self.low <= ours.value <= self.high:
            return Verdict("reproduced", words)
        return Verdict("partly" if self._reached(ours) else "not reproduced", words)

    def _reached(self, ours: Measured) -> bool:
        return ours.low <= self.high and self.low <= ours.high


class RatioBetween(TwoVariantsCheck, _RangeOfMeasure):
    """A measure of one group, divided by that of another, lies between two numbers.

    *Partly*: it does not, but the larger of the two is the one that is claimed to be.
    """

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if few := absent(self, trials):
            return few
        both = [measured(self.measure, trials.of(group)) for group in self.groups]
        for group, each in zip(self.groups, both, strict=True):
            if math.isnan(each.value):
                return _unmeasured(group, self.measure)
        ratio = both[0].value / both[1].value if both[1].value else math.nan
        over = " over ".join(
            f"{each.value:.4g} of {group} ({each.runs} of {len(trials.of(group))} runs)"
            for group, each in zip(self.groups, both, strict=True)
        )
        words = f"{self.measure}: {over} = {ratio:.3g}, claimed is {between(self.low, self.high)}"
        if math.isnan(ratio):
            return Verdict("not comparable", words)
        if self.low <= ratio <= self.high:
            return Verdict("reproduced", words)
        same_side = (self.low >= 1 and ratio > 1) or (self.high <= 1 and ratio < 1)
        return Verdict("partly" if same_side else "not reproduced", words)


class InOrder(Check):
    """The measures of several variants fall (or rise) in this order. *Partly*: the first and the last do."""

    variants: tuple[str, ...] = Field(min_length=2)
    measure: MeasureName = "mean_score"
    falling: bool = True

    @property
    def groups(self) -> tuple[RunGroup, ...]:
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


def _unmeasured(group: RunGroup, measure: str) -> Verdict:
    return Verdict("not comparable", f"no run of {group} has a {measure}")
