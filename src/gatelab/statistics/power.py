"""What a number of seeds can see, and how many seeds a question needs."""

import math
from typing import Literal

from gatelab.statistics.significance import smallest_p

__all__ = ["Distribution", "power_of_t_test", "seeds_for_probability", "seeds_needed", "smallest_detectable_effect"]

Distribution = Literal["t", "normal"]
"""``t``: exact for normal data, by the noncentral t. ``normal``: the textbook approximation, hopeful for few seeds."""

MOST_SEEDS = 1_000_000
LARGEST_SHIFT = 1e9  # beyond it scipy 1.17 gives NaN; the power is 1 long before


def power_of_t_test(
    effect: float,
    n: int,
    *,
    paired: bool,
    alpha: float = 0.05,
    comparisons: int = 1,
    distribution: Distribution = "t",
) -> float:
    """Return the chance in 0..1 that a two-sided t test at alpha / comparisons sees an effect, with n seeds a variant.

    ``effect``: d_z if paired, d if not (standard deviations of the differences, or of the scores). n below 2: 0.
    Source: Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, chapter 2.
    """
    from scipy.special import ndtr, ndtri, stdtrit
    from scipy.stats import nct

    if n < 2:
        return 0.0
    tail = alpha / comparisons / 2
    shift = abs(effect) * math.sqrt(n if paired else n / 2)
    if distribution == "normal":
        limit = -float(ndtri(tail))
        return float(ndtr(shift - limit) + ndtr(-shift - limit))
    freedom = n - 1 if paired else 2 * (n - 1)
    limit = -float(stdtrit(freedom, tail))
    wrong_side = nct.cdf(-limit, freedom, shift)  # NaN where scipy 1.17 loses it: it is then below 1e-15
    return float(nct.sf(limit, freedom, min(shift, LARGEST_SHIFT)) + (0.0 if math.isnan(wrong_side) else wrong_side))


def smallest_detectable_effect(
    n: int,
    *,
    paired: bool,
    power: float = 0.8,
    alpha: float = 0.05,
    comparisons: int = 1,
    distribution: Distribution = "t",
) -> float:
    """Return the smallest effect (d_z if paired, d if not) that n seeds a variant see with the given power.

    Infinite for n below 2, and for so few pairs that the sign-flip test can see nothing (n = 5 at 0.05); just above
    that, where it takes all signs to agree, the chance of that counts (n = 6). Times the standard deviation of the
    differences (of the scores) it is in the unit of the score. ``comparisons``: size of the family, corrected by
    Bonferroni (Holm is at least as powerful).
    """
    from scipy.optimize import brentq

    if n < 2 or (paired and smallest_p(n) * comparisons > alpha):
        return math.inf

    def missing(effect: float) -> float:
        return _power(effect, n, alpha, comparisons, distribution, paired=paired) - power

    highest = 1.0
    while missing(highest) < 0:
        highest *= 2
    return float(brentq(missing, 0.0, highest, xtol=1e-12)) if missing(0.0) < 0 else 0.0


def seeds_needed(
    effect: float,
    *,
    paired: bool,
    power: float = 0.8,
    alpha: float = 0.05,
    comparisons: int = 1,
    correlation: float | None = None,
    distribution: Distribution = "t",
) -> int | None:
    """Return the seeds a variant needs to see an effect; None if that is more than a million, as for an effect of 0.

    ``correlation``: of the scores of the two sides over seeds; if given, paired ``effect`` is d (of the scores) and is
    turned into d_z = d / sqrt(2 (1 - correlation)). A paired count is at least what the sign-flip test needs to reach
    alpha / comparisons at all (6 for one comparison at 0.05). None for an effect of NaN, too.
    """
    if paired and correlation is not None:
        spread = math.sqrt(2 * (1 - correlation))
        effect = effect / spread if spread > 0 else math.copysign(math.inf, effect) if effect else 0.0
    if math.isnan(effect):
        return None

    def enough(n: int) -> bool:
        return _power(effect, n, alpha, comparisons, distribution, paired=paired) >= power

    low, high = 1, 2  # power grows with n: double until it is enough, then halve the gap
    while not enough(high):
        if high >= MOST_SEEDS:
            return None
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def seeds_for_probability(
    probability: float, *, power: float = 0.8, alpha: float = 0.05, two_sided: bool = False
) -> int | None:
    """Return the seeds a variant needs to tell P(A>B) = ``probability`` from one half; None for one half itself.

    Source: Noether 1987, Sample Size Determination for Some Common Nonparametric Tests, as Bouthillier et al. 2021 use
    it: one-sided, 0.75 with alpha = 0.05 and power = 0.95 gives 29. More than a million: None.
    """
    from scipy.special import ndtri

    if probability == 0.5:
        return None
    quantiles = ndtri(1 - (alpha / 2 if two_sided else alpha)) + ndtri(power)
    needed = float((quantiles / (math.sqrt(6) * (0.5 - probability))) ** 2)
    return math.ceil(needed) if needed <= MOST_SEEDS else None


def _power(effect: float, n: int, alpha: float, comparisons: int, distribution: Distribution, *, paired: bool) -> float:
    """Return the power of the test that gatelab does: Welch's t (equal spreads), or for pairs the sign-flip test.

    The sign-flip test is nearly as powerful as the t test, except where so few patterns exist that only the two in
    which all signs agree are significant: then its power is the chance of those, of normal differences.
    """
    from scipy.special import ndtr

    found = power_of_t_test(effect, n, paired=paired, alpha=alpha, comparisons=comparisons, distribution=distribution)
    if not paired or 2 * smallest_p(n) * comparisons <= alpha:
        return found
    if smallest_p(n) * comparisons > alpha:
        return 0.0
    return min(found, float(ndtr(effect) ** n + ndtr(-effect) ** n))
