"""Scores of a group of runs, with the diverged ones counted: what every statistic here takes in and carries along."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Counted",
    "Counts",
    "Policy",
    "Sample",
    "Scores",
    "as_sample",
    "diverged_score",
    "is_constant",
    "pooled_counts",
    "sample",
]

# Differences of scores that are equal on paper differ by rounding (0.9 - 0.8 is not 0.7 - 0.6): closer than this share
# of the largest value is equal.
ROUNDING = 1e-10

Policy = Literal["worst", "separate"]
"""What a diverged run does: score as the worst finished run of the two variants that are compared on its task (or
chance), or stand beside the numbers as a count."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many runs (or pairs of runs) a number speaks of: ``n_used`` of ``n`` entered it, ``n_diverged`` diverged.

    Under the policy ``worst`` every run enters (``n_used == n``); under ``separate``, ``n_used == n - n_diverged``.
    """

    n: int
    n_diverged: int
    n_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What every result carries: the counts of the group, and those of the baseline where there is one apart.

    Of pairs there is one count: ``baseline_counts`` is then None.
    """

    counts: Counts
    baseline_counts: Counts | None = None

    @property
    def n(self) -> int:
        """Runs (or pairs) of the group, diverged ones too."""
        return self.counts.n

    @property
    def n_diverged(self) -> int:
        """Runs (or pairs with a run) of the group that diverged."""
        return self.counts.n_diverged

    @property
    def n_used(self) -> int:
        """Runs (or pairs) of the group that entered the number."""
        return self.counts.n_used


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The scores of a group of runs on one task (or paired differences), all finite, in the order they were given."""

    values: NDArray[np.float64]
    """Shape (n_used,), in the unit of the score."""
    counts: Counts


Scores = ArrayLike | Sample
"""One number a run, shape (runs,), NaN or infinite for a diverged one; or a ``Sample``, where the policy is settled."""


def sample(scores: ArrayLike, *, diverged_as: float | None = None) -> Sample:
    """Return the scores of a group, shape (runs,), as a sample. NaN or an infinite number is a diverged run.

    ``diverged_as``: the score that stands for a diverged run (``diverged_score`` gives it), or None to leave diverged
    runs out of the values; they are counted either way. Raises ValueError for another shape than (runs,).
    """
    values = np.array(scores, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"scores of shape {values.shape}; allowed: (runs,)")
    finished = np.isfinite(values)
    used = values[finished] if diverged_as is None else np.where(finished, values, diverged_as)
    used.flags.writeable = False
    return Sample(used, Counts(values.size, int(values.size - finished.sum()), used.size))


def as_sample(scores: Scores) -> Sample:
    """Return a sample as it is, and plain scores with their diverged runs left out but counted (``separate``)."""
    return scores if isinstance(scores, Sample) else sample(scores)


def pooled_counts(samples: Iterable[Sample]) -> Counts:
    """Return the counts of several samples together."""
    counts = [one.counts for one in samples]
    return Counts(
        sum(count.n for count in counts),
        sum(count.n_diverged for count in counts),
        sum(count.n_used for count in counts),
    )


def is_constant(values: NDArray[np.float64]) -> bool:
    """Return whether all values, shape (n,), are equal but for rounding; also true of one value and of none."""
    return values.size < 2 or float(np.ptp(values)) <= ROUNDING * float(np.abs(values).max())


def diverged_score(
    policy: Policy, scores_of_task: Iterable[float], *, higher_is_better: bool, chance: float | None = None
) -> float | None:
    """Return the score that stands for a diverged run of a task, for ``sample(…, diverged_as=…)`` and ``pair_by_seed``.

    ``scores_of_task``: of the two variants that are compared on the task; a run of a third one says nothing of them.
    ``separate`` gives None. ``worst`` gives the worst finished score, or chance if that is worse (a run that blew up
    did not do better than guessing); NaN and None as chance say nothing.
    If no run finished and there is no chance, there is nothing to stand for it either: None.
    """
    if policy == "separate":
        return None
    known = [score for score in scores_of_task if math.isfinite(score)]
    if chance is not None and math.isfinite(chance):
        known.append(chance)
    if not known:
        return None
    return float(min(known) if higher_is_better else max(known))
