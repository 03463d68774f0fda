"""What the statistics say about the evidence: every variant on every task, and each against the baseline."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gatelab.evidence.caveats import Caveat, caveats
from gatelab.evidence.collected import Evidence, Setting
from gatelab.evidence.scores import by_seed, paired, stand_in
from gatelab.randomness import generator
from gatelab.statistics import (
    Family,
    Interval,
    Location,
    Pairs,
    Sample,
    Significance,
    holm,
    locate,
    plan_comparison,
    probability_of_improvement_paired,
    sign_flip_test,
    student_interval,
)

__all__ = [
    "RESAMPLES",
    "Analysis",
    "Band",
    "PairedComparison",
    "Standing",
    "analyse",
    "compared",
    "corrected",
    "random",
]

RESAMPLES = 20_000


def random(purpose: str, *indices: int) -> np.random.Generator:
    """Return the generator of one thing on the page: the same page comes out of the same runs, bit for bit."""
    return generator(0, f"report {purpose}", *indices)


@dataclass(frozen=True, slots=True)
class Standing:
    """The test scores of one variant on one task, at the setting that validation chose."""

    task: str
    label: str
    setting: Setting
    sample: Sample
    location: Location
    interval: Interval
    """Of the mean, Student's: with few seeds the bootstrap's is too narrow (docs/statistics.md)."""


@dataclass(frozen=True, slots=True)
class Band:
    """Gains too small to matter: from ``-width`` to ``width``, in the unit of the score; NaN where undefined."""

    width: float

    def holds(self, interval: Interval) -> bool:
        """Whether an interval lies within the band."""
        return not interval.degenerate and -self.width <= interval.low and interval.high <= self.width


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """A variant against the baseline on one task, paired by seed; positive: better than the baseline."""

    task: str
    label: str
    pairs: Pairs
    gain: Interval
    """Of the mean paired difference, in the unit of the score; Student's."""
    better: Interval
    """The probability of being better than the baseline at the same seed."""
    test: Significance
    p: float
    """Corrected for its family."""
    alpha: float
    band: Band
    comparisons: int
    """Size of the family."""
    caveats: tuple[Caveat, ...] = ()
    """What a reader has to know beside the numbers."""

    @property
    def found(self) -> bool:
        """Whether the corrected test finds a difference, whatever may explain it."""
        return not self.test.degenerate and self.p < self.alpha

    @property
    def clouds(self) -> tuple[Caveat, ...]:
        """The caveats that could explain the gain as well as the equations do."""
        winner = "variant" if self.gain.estimate > 0 else "baseline"
        return tuple(caveat for caveat in self.caveats if caveat.favours in (winner, "either"))

    @property
    def decided(self) -> bool:
        """Whether the corrected test finds a difference that no caveat could explain."""
        return self.found and not self.clouds

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``undecided`` (a difference that a caveat could explain), ``no difference found``."""
        if not self.found:
            return "no difference found"
        if not self.decided:
            return "undecided"
        return "better" if self.gain.estimate > 0 else "worse"

    @property
    def decidable(self) -> bool:
        """Whether so many pairs could have decided anything in so large a family."""
        return plan_comparison(self.pairs.differences.counts.n_used, self.comparisons, alpha=self.alpha).decides


@dataclass(frozen=True, slots=True)
class Analysis:
    """The evidence with all that is computed once for several sections."""

    evidence: Evidence
    standings: Mapping[tuple[str, str], Standing]
    comparisons: Mapping[tuple[str, str], PairedComparison]
    """Task and label -> comparison with the baseline; empty without one."""
    families: tuple[Family, ...]

    def diverged_as(self, task: str) -> float | None:
        """Return the score that stands for a diverged run of a task; None if such runs are left out."""
        return _diverged_as(self.evidence, task)

    def band(self, task: str) -> Band:
        """Return which gains are too small to matter on a task."""
        return _band(self.evidence, task)


def analyse(evidence: Evidence) -> Analysis:
    """Compute what several sections need."""
    standings = {(task, label): _standing(evidence, task, label) for task, label in evidence.cells()}
    baseline = evidence.question.baseline
    found: list[PairedComparison] = []
    if baseline is not None:
        found = [
            compared(evidence, task, label, baseline, place)
            for place, (task, label) in enumerate(evidence.cells())
            if label != baseline and (task, baseline) in evidence.settings
        ]
    groups = [found] if evidence.question.family == "page" else _by_task(found)
    families: list[Family] = []
    comparisons: dict[tuple[str, str], PairedComparison] = {}
    for group in groups:
        if group:
            family, members = corrected(group, _family_name(evidence, group))
            families.append(family)
            comparisons |= {(member.task, member.label): member for member in members}
    return Analysis(evidence, standings, comparisons, tuple(families))


def compared(evidence: Evidence, task: str, label: str, baseline: str, place: int) -> PairedComparison:
    """Compare two variants on one task; p is not yet corrected. ``place`` tells the random numbers apart."""
    both = evidence.to_compare(task, label, baseline)
    stand_for_diverged = stand_in([*both.ours, *both.theirs], evidence.question.diverged)
    pairs = paired(both.ours, both.theirs, stand_for_diverged)
    test = sign_flip_test(pairs.differences, generator=random("sign flips", place))
    return PairedComparison(
        task=task,
        label=label,
        pairs=pairs,
        gain=student_interval(pairs.differences),
        better=probability_of_improvement_paired([pairs], generator=random("better", place), resamples=RESAMPLES),
        test=test,
        p=test.p,
        alpha=evidence.question.alpha,
        band=_band(evidence, task),
        comparisons=1,
        caveats=caveats(evidence, task, label, baseline),
    )


def corrected(group: Sequence[PairedComparison], name: str) -> tuple[Family, list[PairedComparison]]:
    """Return a family of comparisons, and its members with p corrected for it."""
    family = holm([member.test.p for member in group], family=name)
    members = [replace(member, p=p, comparisons=family.size) for member, p in zip(group, family.adjusted, strict=True)]
    return family, members


def _standing(evidence: Evidence, task: str, label: str) -> Standing:
    setting = evidence.chosen(task, label)
    # only the two that are compared count: a stranger's bad run says nothing of this variant
    baseline = evidence.settings.get((task, evidence.question.baseline or ""), ())
    known = [*setting.results, *(baseline[0].results if baseline else ())]
    scores = by_seed(setting.results, stand_in(known, evidence.question.diverged))
    return Standing(task, label, setting, scores, locate(scores), student_interval(scores))


def _diverged_as(evidence: Evidence, task: str) -> float | None:
    labels = [label for label in evidence.labels if (task, label) in evidence.settings]
    shown = [result for label in labels for result in evidence.chosen(task, label).results]
    return stand_in(shown, evidence.question.diverged)


def _band(evidence: Evidence, task: str) -> Band:
    result = evidence.of_task(task)
    distance = abs(result.perfect - result.chance)
    return Band(evidence.question.small * distance if math.isfinite(distance) and distance > 0 else math.nan)


def _by_task(found: Sequence[PairedComparison]) -> list[list[PairedComparison]]:
    groups: dict[str, list[PairedComparison]] = {}
    for comparison in found:
        groups.setdefault(comparison.task, []).append(comparison)
    return list(groups.values())


def _family_name(evidence: Evidence, group: Sequence[PairedComparison]) -> str:
    labels, tasks = {member.label for member in group}, {member.task for member in group}
    variants = f"{len(labels)} {'variant' if len(labels) == 1 else 'variants'} against {evidence.question.baseline}"
    return f"{variants} on {next(iter(tasks)) if len(tasks) == 1 else f'{len(tasks)} tasks'}"
