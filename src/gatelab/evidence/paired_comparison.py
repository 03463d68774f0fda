"""One variant against the baseline on one task: what was tested, what came out, and the words for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gatelab.evidence.caveats import Caveat
from gatelab.evidence.failing import Failures
from gatelab.statistics import Family, Interval, Pairs, Significance, holm, majority_p, plan_comparison

__all__ = ["MAJORITY", "Band", "Kind", "PairedComparison", "corrected"]

MAJORITY = 0.055
"""The largest chance of a majority without one: 8 of 10 pairs have 0.0547, 12 of 16 have 0.038, 15 of 20 have 0.021."""

Kind = Literal["better", "worse", "undecided", "no difference found", "not compared"]


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
    """Diverged runs as the question says."""
    typical_pairs: Pairs
    """What the verdict's test is of: a diverged run is put at the middle of all (``pair_typical_runs``)."""
    typical: Interval
    """Of the median paired difference, in the unit of the score; exact, of ``pairs``."""
    gain: Interval
    """Of the mean paired difference, in the unit of the score; Student's, of ``pairs``."""
    better: Interval
    """The probability of being better than the baseline at the same seed; Wilson's."""
    test: Significance
    """Of typical runs: what the verdict goes by."""
    means: Significance
    """Of the mean difference, by sign flips; beside the verdict."""
    ranks: Significance
    """Wilcoxon's signed ranks; beside the verdict."""
    failures: tuple[Failures, Failures]
    """Of the variant and of the baseline."""
    alpha: float
    band: Band
    p: float = math.nan
    """Of ``test``, corrected for its family; NaN where nothing was tested."""
    p_means: float = math.nan
    p_ranks: float = math.nan
    attainable: float = math.nan
    """The smallest ``p`` that so many unequal pairs could have had, the other comparisons of the family as they are."""
    comparisons: int = 0
    """Size of the family."""
    caveats: tuple[Caveat, ...] = ()
    """What a reader has to know beside the numbers."""

    @property
    def n(self) -> int:
        """Pairs that enter the test."""
        return self.typical_pairs.differences.counts.n_used

    @property
    def unequal(self) -> int:
        """Pairs that enter the test and are not ties."""
        return int((self.typical_pairs.differences.values != 0).sum())

    @property
    def significant(self) -> bool:
        """Whether the corrected test says that the variant changes something."""
        return not self.test.degenerate and self.p < self.alpha

    @property
    def found(self) -> bool:
        """Whether the corrected test finds a difference of typical runs, whatever may explain it.

        The null is that nothing changes; a few large differences against many small ones break it, too, and so does a
        variant half of whose runs diverge. So most of the unequal pairs have to agree with the test, a diverged run
        counted as the question says, and the median difference must not speak against it.
        """
        gains = math.copysign(1.0, self.test.statistic) * self.pairs.differences.values
        most = majority_p(int((gains > 0).sum()), int((gains != 0).sum())) <= MAJORITY
        return self.significant and most and math.copysign(1.0, self.test.statistic) * self.typical.estimate >= 0

    @property
    def clouds(self) -> tuple[Caveat, ...]:
        """The caveats that could explain the gain as well as the equations do."""
        winner = "variant" if self.test.statistic > 0 else "baseline"
        return tuple(caveat for caveat in self.caveats if caveat.favours in (winner, "either"))

    @property
    def tells_failures(self) -> bool:
        """Whether failures belong beside the answer: rare ones, and those that one side alone has where none is found.

        A variant that fails in most runs is worse than one that does not, and is called so.
        """
        ours, theirs = self.failures
        return ours.rare or theirs.rare or (ours.usual != theirs.usual and not self.found and not self.too_few)

    @property
    def decided(self) -> bool:
        """Whether the corrected test finds a difference that no caveat could explain."""
        return self.found and not self.clouds

    @property
    def too_few(self) -> bool:
        """Whether nothing was found, and with so many unequal pairs nothing could have been."""
        return not self.significant and not self.attainable < self.alpha and self.n > 0

    @property
    def seeds_to_decide(self) -> int | None:
        """Seeds from which a first comparison can be decided, at the present share of ties; None if all are ties."""
        if not self.unequal:
            return None
        enough = plan_comparison(self.unequal, self.comparisons, alpha=self.alpha).seeds_to_decide
        return math.ceil(enough * self.n / self.unequal)

    @property
    def verdict(self) -> Kind:
        """The kind of answer; ``words`` has what it is an answer to, or why there is none."""
        if not self.n:
            return "not compared"
        if not self.significant and not self.too_few:
            return "no difference found"
        if not self.decided:
            return "undecided"
        return "better" if self.test.statistic > 0 else "worse"

    @property
    def reason(self) -> str:
        """Why a comparison is undecided; empty for any other."""
        if self.verdict != "undecided":
            return ""
        if self.found:
            return ", ".join(caveat.kind for caveat in self.clouds)
        if self.significant:
            return "different, but not in typical runs"
        return "too few seeds" if self.unequal else "all pairs equal"

    @property
    def scope(self) -> str:
        """What a verdict of better or worse speaks of: typical runs, or the pairs that are not ties."""
        if self.typical.estimate and 2 * self.unequal > self.n:
            return "in typical runs where both finish" if self.n < self.pairs.n else "in typical runs"
        return f"in the runs that differ ({self.n - self.unequal} of {self.n} are equal)"

    @property
    def words(self) -> str:
        """The answer with what it speaks of, or why there is none: ``better in typical runs``."""
        if self.decided:
            return f"{self.verdict} {self.scope}"
        return f"{self.verdict}: {self.reason}" if self.reason else self.verdict


def corrected(group: Sequence[PairedComparison], name: str) -> tuple[Family, list[PairedComparison]]:
    """Return a family of comparisons, and its members with p corrected for it; each kind of test by itself."""
    family = holm([member.test.p for member in group], family=name)
    means = holm([member.means.p for member in group], family=name).adjusted
    ranks = holm([member.ranks.p for member in group], family=name).adjusted
    members = [
        replace(
            member,
            p=p,
            p_means=means[place],
            p_ranks=ranks[place],
            attainable=_attainable(group, place),
            comparisons=family.size,
        )
        for place, (member, p) in enumerate(zip(group, family.adjusted, strict=True))
    ]
    return family, members


def _attainable(group: Sequence[PairedComparison], place: int) -> float:
    """Return Holm's p of a member if all its unequal pairs agreed: later steps are milder than the first."""
    values = [member.test.p for member in group]
    values[place] = group[place].test.smallest_p
    return holm(values, family="what could have been").adjusted[place]
