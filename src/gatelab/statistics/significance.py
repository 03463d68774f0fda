"""Two-sided tests of a difference to the baseline."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gatelab.statistics.location import standard_deviation
from gatelab.statistics.samples import ROUNDING, Counted, Sample, Scores, as_sample

__all__ = ["Significance", "sign_flip_test", "smallest_p", "typical_test", "welch_test", "wilcoxon_test"]

MOST_ENUMERATED = 20  # values whose sign patterns are all gone through: half a million sums
LARGEST = 1.5  # medians of the sizes of differences, at which one is cut off in the test of typical runs
MOST_RANKED = 200  # values whose rank sums are enumerated
NUMBERS_AT_ONCE = 4_000_000
NUMBERS_IN_CACHE = 32_768


@dataclass(frozen=True, slots=True, kw_only=True)
class Significance(Counted):
    """What a test says. It never raises for lack of data: p is then 1 (nothing shown) and ``degenerate`` is set."""

    test: str
    """In words, such as ``sign-flip, exact``; for a Methods section."""
    statistic: float
    """Positive: better than the baseline. The mean difference (sign-flip), t (Welch), rank sum W+ - W- (Wilcoxon)."""
    p: float
    """Two-sided, in (0, 1]; never 0."""
    smallest_p: float
    """The smallest p that this test can reach with as many values that differ from zero; 0 for Welch's, which has no
    smallest."""
    exact: bool
    """Whether all arrangements were enumerated; False for Monte Carlo and for approximations."""
    degenerate: bool
    """Too few values (none, or one where a spread is needed) or no spread at all."""


def sign_flip_test(
    differences: Scores, *, generator: np.random.Generator | None = None, resamples: int = 100_000
) -> Significance:
    """Test whether paired differences (``pairs.differences``) have mean zero, by flipping their signs.

    All 2^n sign patterns up to n = 20 (exact, needs no generator); beyond, ``resamples`` random patterns with
    p = (1 + as extreme) / (1 + resamples), for which the generator is required (ValueError without).
    n = 1 gives p = 1, n = 5 at least 0.0625, n = 6 at least 0.03125. Differences of zero take part, and flip to
    themselves: the smallest p is 2 / 2^m for m differences that are not zero. ``degenerate``: fewer than two values,
    or all zero.
    Source: Fisher 1935, The Design of Experiments, section 21; +1: Phipson & Smyth 2010.
    """
    given = as_sample(differences)
    n = given.values.size
    sizes = np.sort(np.abs(given.values))  # the order of the pairs then changes nothing
    observed = abs(math.fsum(given.values))
    as_extreme = observed - ROUNDING * float(sizes.sum())  # patterns equal on paper are equal
    exact = n <= MOST_ENUMERATED
    smallest = smallest_p(int(np.count_nonzero(sizes > ROUNDING * sizes[-1:].sum())))
    if exact:
        p = float((np.abs(_signed_sums(sizes)) >= as_extreme).mean())
    else:
        if generator is None:
            raise ValueError(f"{n} differences: above {MOST_ENUMERATED} the sign-flip test needs a generator")
        p = (1 + _random_sums_beyond(sizes, as_extreme, generator, resamples)) / (1 + resamples)
        smallest = max(smallest, 1 / (1 + resamples))
    return Significance(
        counts=given.counts,
        test="sign-flip, exact" if exact else f"sign-flip, {resamples} random patterns",
        statistic=math.fsum(given.values) / n if n else math.nan,
        p=p,
        smallest_p=smallest,
        exact=exact,
        degenerate=n < 2 or not sizes.any(),
    )


def typical_test(differences: Scores, *, generator: np.random.Generator | None = None) -> Significance:
    """Test paired differences by sign flips, where no pair counts for more than 1.5 times what the middle one does.

    The same exact test as ``sign_flip_test``, of differences whose size is cut off at 1.5 times the median size of
    those that are not zero: one pair far out, such as a run that failed, decides nothing alone. Its null is that the
    variant changes nothing, so that each difference could as well have the opposite sign; the limit depends on sizes
    alone, so that cutting off keeps the test exact. ``statistic`` is the mean of the bounded differences. The bounded
    influence is Huber's (1964, Robust Estimation of a Location Parameter).
    """
    given = as_sample(differences)
    sizes = np.abs(given.values)
    limit = LARGEST * float(np.median(sizes[sizes > 0])) if sizes.any() else 0.0
    bounded = Sample(np.clip(given.values, -limit, limit), given.counts)
    found = sign_flip_test(bounded, generator=generator)
    return replace(found, test=f"{found.test}, of bounded differences")


def welch_test(scores: Scores, baseline: Scores, *, higher_is_better: bool) -> Significance:
    """Test whether two independent groups have equal means, with unequal variances.

    With fewer than two values on a side, or no spread on both, p is 1 and ``degenerate``; so two constant columns
    that differ are not "significant": with no spread the t distribution has nothing to say.
    Source: Welch 1947; recommended for seeds by Colas et al. 2018.
    """
    from scipy.special import stdtr

    ours, theirs = as_sample(scores), as_sample(baseline)
    n, m = ours.values.size, theirs.values.size
    spreads = standard_deviation(ours.values), standard_deviation(theirs.values)
    degenerate = n < 2 or m < 2 or spreads == (0.0, 0.0)
    t, p = math.nan, 1.0
    if not degenerate:
        one, other = spreads[0] ** 2 / n, spreads[1] ** 2 / m
        freedom = (one + other) ** 2 / (one**2 / (n - 1) + other**2 / (m - 1))
        gain = float(np.sort(ours.values).mean() - np.sort(theirs.values).mean())
        t = (gain if higher_is_better else -gain) / math.sqrt(one + other)
        p = max(2 * float(stdtr(freedom, -abs(t))), np.finfo(np.float64).tiny)  # underflow is not certainty
    return Significance(
        counts=ours.counts,
        baseline_counts=theirs.counts,
        test="Welch's t",
        statistic=t,
        p=p,
        smallest_p=1.0 if degenerate else 0.0,
        exact=False,
        degenerate=degenerate,
    )


def wilcoxon_test(differences: Scores) -> Significance:
    """Test paired differences by the signed ranks; a check beside ``sign_flip_test``.

    Zeros are dropped, ties get mean ranks; equal but for rounding is equal. Up to 200 values the distribution is
    enumerated exactly over the sign patterns of these very ranks, ties too; beyond, it is normal with the variance of
    these ranks. ``degenerate``: no value but zeros. Source: Wilcoxon 1945, Individual Comparisons by Ranking Methods.
    """
    from scipy.special import ndtr
    from scipy.stats import rankdata

    given = as_sample(differences)
    sizes = np.abs(given.values)
    largest = float(sizes.max()) if sizes.size else 0.0
    rounded = np.round(sizes / largest, -round(math.log10(ROUNDING))) if largest > 0 else sizes
    kept = rounded > 0
    n = int(kept.sum())
    doubled = np.round(2 * rankdata(rounded[kept])).astype(np.int64)  # mean ranks are halves: twice them, integers
    balance = int(np.where(given.values[kept] > 0, doubled, -doubled).sum())
    exact = n <= MOST_RANKED
    if n == 0:
        p = 1.0
    elif exact:
        p = _rank_sums_beyond(doubled, abs(balance))
    else:
        p = max(2 * float(ndtr(-abs(balance) / math.sqrt(float((doubled**2).sum())))), np.finfo(np.float64).tiny)
    return Significance(
        counts=given.counts,
        test="Wilcoxon signed rank, exact" if exact else "Wilcoxon signed rank, normal approximation",
        statistic=balance / 2 if given.values.size else math.nan,
        p=p,
        smallest_p=smallest_p(n),
        exact=exact,
        degenerate=n == 0,
    )


def smallest_p(n: int, *, paired: bool = True, n_baseline: int | None = None) -> float:
    """Return the smallest two-sided p that n seeds can reach with a rearrangement test.

    Paired (sign-flip, Wilcoxon): 2 / 2^n. Unpaired (permutation, Mann-Whitney; ``n_baseline`` defaults to n): 2 over
    the number of ways to divide the runs. At most 1; n = 0 gives 1.
    """
    if paired:
        return min(1.0, math.ldexp(2.0, -n))
    others = n if n_baseline is None else n_baseline
    return min(1.0, 2 / math.comb(n + others, n))


def _signed_sums(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of all sign patterns with the last sign fixed (the others mirror them), shape (2^(n-1),)."""
    sums = sizes[-1:].copy() if sizes.size else np.zeros(1)
    for size in sizes[:-1]:
        sums = np.concatenate([sums + size, sums - size])
    return sums


def _random_sums_beyond(
    sizes: NDArray[np.float64], limit: float, generator: np.random.Generator, resamples: int
) -> int:
    found, at_once = 0, max(1, NUMBERS_AT_ONCE // sizes.size)
    few = max(1, NUMBERS_IN_CACHE // sizes.size)
    flipped = np.empty((few, sizes.size))
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        flips = generator.integers(0, 2, (rows, sizes.size), dtype=np.int8)
        sums = np.empty(rows)
        for first in range(0, rows, few):
            part = flips[first : first + few]
            products = np.multiply(part, sizes, out=flipped[: len(part)])
            products.sum(axis=-1, out=sums[first : first + few])
        # sum of sizes less twice those that were flipped
        found += int((np.abs(sizes.sum() - 2 * sums) >= limit).sum())
    return found


def _rank_sums_beyond(doubled: NDArray[np.int64], balance: int) -> float:
    """Return P(|W+ - W-| at least ``balance``), all in doubled ranks."""
    total = int(doubled.sum())
    chances = np.zeros(total + 1)  # of W+, at each of its values
    chances[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[: total + 1 - rank]
        chances = (chances + shifted) / 2
    beyond = np.abs(2 * np.arange(total + 1) - total) >= balance
    return min(1.0, max(float(chances[beyond].sum()), np.finfo(np.float64).tiny))
