"""What the statistics say about the evidence: every variant on every task, and each against the baseline."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gatelab.evidence.caveats import caveats
from gatelab.evidence.collected import Evidence, Setting
from gatelab.evidence.failing import failures
from gatelab.evidence.paired_comparison import Band, PairedComparison, corrected
from gatelab.evidence.scores import by_seed, paired, paired_typical, stand_in
from gatelab.randomness import generator
from gatelab.statistics import (
    Family,
    Interval,
    Location,
    Pairs,
    Sample,
    locate,
    median_interval,
    sign_flip_test,
    student_interval,
    typical_test,
    wilcoxon_test,
    wilson_share,
)

__all__ = [
    "Analysis",
    "Standing",
    "analyse",
    "compared",
    "random",
]


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
class Analysis:
    """The evidence with all that is computed once for several sections."""

    evidence: Evidence
    standings: Mapping[tuple[str, str], Standing]
    comparisons: Mapping[tuple[str, str], PairedComparison]
    """Task and label -> comparison with the baseline; empty without one."""
    families: tuple[Family, ...]

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
    tested = [comparison for comparison in found if comparison.n]
    groups = [tested] if evidence.question.family == "page" else _by_task(tested)
    families: list[Family] = []
    comparisons = {(comparison.task, comparison.label): comparison for comparison in found}
    for group in groups:
        if group:
            family, members = corrected(group, _family_name(evidence, group))
            families.append(family)
            comparisons |= {(member.task, member.label): member for member in members}
    return Analysis(evidence, standings, comparisons, tuple(families))


def compared(evidence: Evidence, task: str, label: str, baseline: str, place: int) -> PairedComparison:
    """Compare two variants on one task; p is not yet corrected. ``place`` tells the random numbers apart."""
    both = evidence.to_compare(task, label, baseline)
    ours, theirs = both.ours, both.theirs
    stand_for_diverged = stand_in([*ours, *theirs], evidence.question.diverged)
    pairs, typical = paired(ours, theirs, stand_for_diverged), paired_typical(ours, theirs, stand_for_diverged)
    return PairedComparison(
        task=task,
        label=label,
        pairs=pairs,
        typical_pairs=typical,
        typical=median_interval(pairs.differences),
        gain=student_interval(pairs.differences),
        better=_better(pairs),
        test=typical_test(typical.differences, generator=random("typical runs", place)),
        means=sign_flip_test(pairs.differences, generator=random("sign flips", place)),
        ranks=wilcoxon_test(pairs.differences),
        failures=(failures(ours), failures(theirs)),
        alpha=evidence.question.alpha,
        band=_band(evidence, task),
        caveats=caveats(evidence, task, label, baseline),
    )


def _better(pairs: Pairs) -> Interval:
    values = pairs.differences.values
    return wilson_share(float((values > 0).sum() + (values == 0).sum() / 2), values.size)


def _standing(evidence: Evidence, task: str, label: str) -> Standing:
    setting = evidence.chosen(task, label)
    # only the two that are compared count: a stranger's bad run says nothing of this variant
    baseline = evidence.settings.get((task, evidence.question.baseline or ""), ())
    known = [*setting.results, *(baseline[0].results if baseline else ())]
    scores = by_seed(setting.results, stand_in(known, evidence.question.diverged))
    return Standing(task, label, setting, scores, locate(scores), student_interval(scores))


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
