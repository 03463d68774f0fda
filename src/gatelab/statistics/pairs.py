"""Runs of a variant and of the baseline, paired by seed."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gatelab.statistics.samples import ROUNDING, Counts, Sample

__all__ = ["Pairs", "pair_by_seed", "pair_typical_runs"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """One pair for each seed that both sides have, in ascending order of seeds."""

    seeds: tuple[int, ...]
    """The seeds whose pair has both scores (after the policy for diverged runs)."""
    scores: tuple[float, ...]
    """Of the variant, in the unit of the score, one for each of ``seeds``."""
    baseline: tuple[float, ...]
    higher_is_better: bool
    n: int
    """Common seeds, those with a diverged run too."""
    n_diverged: int
    """Common seeds where the variant, the baseline or both diverged."""
    only_scores: int
    """Seeds that only the variant has: counted, not used."""
    only_baseline: int

    @property
    def differences(self) -> Sample:
        """What the variant gains over the baseline at each seed: positive is better, whatever ``higher_is_better``.

        Scores that are equal but for rounding are equal: their difference is 0.
        """
        sign = 1.0 if self.higher_is_better else -1.0
        ours, theirs = np.array(self.scores, dtype=np.float64), np.array(self.baseline, dtype=np.float64)
        values = sign * (ours - theirs)
        values[np.abs(values) <= ROUNDING * np.maximum(np.abs(ours), np.abs(theirs))] = 0.0
        values.flags.writeable = False
        return Sample(values, Counts(self.n, self.n_diverged, values.size))


def pair_by_seed(
    scores: Iterable[tuple[int, float]],
    baseline: Iterable[tuple[int, float]],
    *,
    higher_is_better: bool,
    diverged_as: float | None = None,
) -> Pairs:
    """Pair (seed, score) of a variant with those of the baseline on the same task; NaN or infinite: diverged.

    ``diverged_as``: as in ``sample``; with None, a pair with a diverged run is left out and counted. Several runs of
    one seed count as one, by their mean, which is diverged if one of them is (and None). Without common seeds n is 0.
    """
    ours, theirs = _by_seed(scores), _by_seed(baseline)
    common = sorted(ours.keys() & theirs.keys())
    means = {seed: (_mean(ours[seed], diverged_as), _mean(theirs[seed], diverged_as)) for seed in common}
    whole = [seed for seed in common if all(map(math.isfinite, means[seed]))]
    return Pairs(
        seeds=tuple(whole),
        scores=tuple(means[seed][0] for seed in whole),
        baseline=tuple(means[seed][1] for seed in whole),
        higher_is_better=higher_is_better,
        n=len(common),
        n_diverged=sum(not all(map(math.isfinite, ours[seed] + theirs[seed])) for seed in common),
        only_scores=len(ours.keys() - theirs.keys()),
        only_baseline=len(theirs.keys() - ours.keys()),
    )


def pair_typical_runs(
    scores: Iterable[tuple[int, float]],
    baseline: Iterable[tuple[int, float]],
    *,
    higher_is_better: bool,
    diverged_as: float,
) -> Pairs:
    """Pair as ``pair_by_seed`` does, for a test of typical runs, in which a diverged run is put at the middle.

    It gets the median of the finished runs of both sides at the common seeds, so that the run beside it counts by the
    side of the middle on which it lies. Which run of a pair is whose changes neither the median nor the sizes of the
    differences, and flipping signs stays exact. Where more than half of the pairs have a diverged run, diverging is
    what is typical: such runs then get ``diverged_as``.
    """
    ours, theirs = list(scores), list(baseline)
    whole = pair_by_seed(ours, theirs, higher_is_better=higher_is_better)
    common = {seed for seed, _ in ours} & {seed for seed, _ in theirs}
    finished = [score for seed, score in (*ours, *theirs) if seed in common and math.isfinite(score)]
    neutral = finished and 2 * whole.n_diverged <= whole.n
    stand_in = float(np.median(finished)) if neutral else diverged_as
    return pair_by_seed(ours, theirs, higher_is_better=higher_is_better, diverged_as=stand_in)


def _by_seed(scores: Iterable[tuple[int, float]]) -> Mapping[int, list[float]]:
    found: dict[int, list[float]] = {}
    for seed, score in scores:
        found.setdefault(seed, []).append(score)
    return found


def _mean(runs: Sequence[float], diverged_as: float | None) -> float:
    """Return the mean score of the runs of a seed; NaN if one diverged and nothing stands for that."""
    stand_in = math.nan if diverged_as is None else diverged_as
    # fsum is exact: the order of the runs changes nothing
    return math.fsum(score if math.isfinite(score) else stand_in for score in runs) / len(runs)
