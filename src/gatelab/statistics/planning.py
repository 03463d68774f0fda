"""What a planned comparison can and cannot decide, said before it is trained."""

import math
from dataclasses import dataclass

from gatelab.statistics.power import smallest_detectable_effect
from gatelab.statistics.significance import smallest_p

__all__ = ["SeedPlan", "plan_comparison"]


@dataclass(frozen=True, slots=True)
class SeedPlan:
    """What n seeds a variant and a family of comparisons allow."""

    seeds: int
    comparisons: int
    alpha: float
    smallest_p: float
    """Smallest p after Holm's correction in the whole family: comparisons times the smallest p itself, at most 1."""
    decides: bool
    """Whether any outcome at all could be significant."""
    seeds_to_decide: int
    """The fewest seeds for which ``decides`` would be true."""
    smallest_effect: float
    """Smallest effect (d_z if paired, d if not) seen with power 0.8; infinite if ``decides`` is false."""
    sentence: str
    """All of this in one sentence for the user."""


def plan_comparison(seeds: int, comparisons: int = 1, *, paired: bool = True, alpha: float = 0.05) -> SeedPlan:
    """Say what a comparison of ``comparisons`` variants with a baseline can decide with ``seeds`` runs each.

    Five paired seeds and one comparison: p cannot get below 0.0625, so nothing can be decided at 0.05.
    Not paired, the limit is that of a permutation test (4 seeds for one comparison at 0.05): below it, only the belief
    that scores are normal could decide. Raises ValueError for fewer than one comparison.
    """
    if comparisons < 1:
        raise ValueError(f"{comparisons} comparisons; allowed: 1 or more")
    smallest = min(1.0, comparisons * smallest_p(seeds, paired=paired))
    decides = smallest <= alpha
    fewest = 2
    while comparisons * smallest_p(fewest, paired=paired) > alpha:
        fewest += 1
    effect = math.inf
    if decides:
        effect = smallest_detectable_effect(seeds, paired=paired, alpha=alpha, comparisons=comparisons)
    kind = "paired " if paired else ""
    asked = (
        f"{seeds} {kind}{'seed' if seeds == 1 else 'seeds'} and {comparisons} "
        f"{'comparison' if comparisons == 1 else 'comparisons'}"
    )
    corrected = " after Holm's correction" if comparisons > 1 else ""
    floor = "p" if paired else "the p of a permutation test"
    if decides:
        spread = "the paired differences" if paired else "the scores"
        sentence = (
            f"{asked} can show, with power 0.8 at alpha = {alpha:g}{corrected}, a difference of {effect:.2f} standard "
            f"deviations of {spread} or more, and will mostly miss a smaller one; {floor} cannot get below "
            f"{smallest:.2g}."
        )
    else:
        sentence = (
            f"{asked} cannot decide anything at alpha = {alpha:g}: {floor}{corrected} cannot get below {smallest:.3g}, "
            f"whatever the scores; at least {fewest} {kind}seeds are needed."
        )
    return SeedPlan(seeds, comparisons, alpha, smallest, decides, fewest, effect, sentence)
