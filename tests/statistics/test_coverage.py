"""How often intervals hold the truth, and nothing is taken for something: the figures of the documentation."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from gatelab.statistics import (
    bootstrap_interval,
    holm,
    pair_by_seed,
    probability_of_improvement,
    probability_of_improvement_paired,
    sign_flip_test,
    student_interval,
    welch_test,
    wilcoxon_test,
)

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
SEEDS = (5, 10, 20)
RESAMPLES = 2000
DATASETS = 4000
COMPARISONS = 2000
# Standard error of a share of 95 % over the data sets is 0.35 points; the same seeds give the same shares, so this is
# for machines that round otherwise.
TOLERANCE = 0.5

# Scores, statistic, method -> percent of intervals that hold the truth, with 5, 10 and 20 seeds.
MEASURED = {
    ("normal", "mean", "percentile"): (83.4, 90.0, 92.6),
    ("normal", "mean", "bca"): (83.7, 90.0, 92.2),
    ("normal", "mean", "student"): (94.9, 95.3, 95.0),
    ("normal", "median", "percentile"): (93.6, 94.5, 93.9),
    ("normal", "iqm", "percentile"): (90.2, 93.7, 94.3),
    ("exponential", "mean", "percentile"): (77.7, 85.7, 90.5),
    ("exponential", "mean", "bca"): (79.1, 87.3, 91.1),
    ("exponential", "mean", "student"): (87.3, 89.5, 92.0),
    ("exponential", "median", "percentile"): (94.1, 93.8, 94.0),
    ("exponential", "iqm", "percentile"): (89.8, 93.2, 94.4),
}
# Of P(better) where the truth is 0.76 (normal scores, one standard deviation apart).
MEASURED_IMPROVEMENT = {"unpaired": (89.2, 93.0, 93.9), "paired": (73.6, 92.1, 94.2)}
# Percent of comparisons with p at most 0.05 where there is no difference.
MEASURED_NULL = {
    "sign-flip, 10 pairs": 5.3,
    "Wilcoxon, 10 pairs": 5.6,
    "Welch, 5 and 5 runs": 4.5,
    "Welch, 10 and 10 runs": 5.1,
    "any of five variants against one baseline, sign-flip, 10 pairs": 17.5,
    "the same after Holm": 3.7,
}


def truth(scores, statistic):
    if scores == "normal":
        return 0.0
    middle = stats.expon.ppf([0.25, 0.75])
    return {
        "mean": 1.0,
        "median": math.log(2),
        "iqm": 2 * float(stats.expon.expect(lambda x: x, lb=middle[0], ub=middle[1])),
    }[statistic]


def covered(scores, statistic, method, n, datasets):
    """Percent of the intervals of so many data sets that hold the truth."""
    generator = np.random.default_rng([n, 1])
    drawn = getattr(generator, f"standard_{scores}")((datasets, n))
    expected = truth(scores, statistic)
    held = 0
    for row in drawn:
        interval = (
            student_interval(row)
            if method == "student"
            else bootstrap_interval([row], statistic, generator=generator, resamples=RESAMPLES, method=method)
        )
        held += interval.low <= expected <= interval.high
    return 100 * held / datasets


@pytest.mark.slow
@pytest.mark.parametrize("case", MEASURED, ids=" ".join)
def test_coverage_is_as_documented(case):
    measured = [covered(*case, n, DATASETS) for n in SEEDS]
    assert measured == pytest.approx(MEASURED[case], abs=TOLERANCE)


@pytest.mark.parametrize("case", [("normal", "mean", "student"), ("normal", "mean", "percentile")], ids=" ".join)
def test_coverage_of_a_few_data_sets(case):
    # 500 data sets: a standard error of about 1.3 points
    assert covered(*case, 10, 500) == pytest.approx(MEASURED[case][1], abs=4)


@pytest.mark.slow
def test_coverage_of_the_probability_of_improvement_is_as_documented():
    expected = float(stats.norm.cdf(1 / math.sqrt(2)))
    measured: dict[str, list[float]] = {"unpaired": [], "paired": []}
    for n in SEEDS:
        generator = np.random.default_rng([n, 2])
        ours, theirs = generator.normal(1, 1, (DATASETS, n)), generator.normal(0, 1, (DATASETS, n))
        held = {"unpaired": 0, "paired": 0}
        for one, other in zip(ours, theirs, strict=True):
            pairs = pair_by_seed(enumerate(one), enumerate(other), higher_is_better=True)
            intervals = {
                "unpaired": probability_of_improvement(
                    [one], [other], higher_is_better=True, generator=generator, resamples=RESAMPLES
                ),
                "paired": probability_of_improvement_paired([pairs], generator=generator, resamples=RESAMPLES),
            }
            for kind, interval in intervals.items():
                held[kind] += interval.low <= expected <= interval.high
        for kind, count in held.items():
            measured[kind].append(100 * count / DATASETS)
    for kind, shares in measured.items():
        assert shares == pytest.approx(MEASURED_IMPROVEMENT[kind], abs=TOLERANCE)


def null_rates():
    rng = np.random.default_rng
    differences = rng(11).normal(size=(COMPARISONS, 10))
    found = {
        "sign-flip, 10 pairs": [sign_flip_test(row).p for row in differences],
        "Wilcoxon, 10 pairs": [wilcoxon_test(row).p for row in differences],
    }
    for n in (5, 10):
        ours, theirs = rng(12).normal(size=(2, COMPARISONS, n))
        found[f"Welch, {n} and {n} runs"] = [
            welch_test(one, other, higher_is_better=True).p for one, other in zip(ours, theirs, strict=True)
        ]
    families = [
        holm([sign_flip_test(row - table[0]).p for row in table[1:]], family="five variants")
        for table in rng(13).normal(size=(COMPARISONS, 6, 10))
    ]
    found["any of five variants against one baseline, sign-flip, 10 pairs"] = [min(one.p) for one in families]
    found["the same after Holm"] = [min(one.adjusted) for one in families]
    return {name: 100 * float(np.mean(np.array(p) <= 0.05)) for name, p in found.items()}


def test_nothing_is_taken_for_something_as_seldom_as_documented():
    rates = null_rates()
    assert rates == pytest.approx(MEASURED_NULL, abs=0.1)
    corrected = [rate for name, rate in rates.items() if not name.startswith("any of five")]
    assert max(corrected) <= 6.0


def test_the_page_has_the_measured_figures():
    page = PAGE.read_text(encoding="utf-8")
    for (scores, statistic, method), shares in MEASURED.items():
        assert f"| {scores} | {statistic} | {method} | {' | '.join(f'{share:.1f}' for share in shares)} |" in page
    for kind, shares in MEASURED_IMPROVEMENT.items():
        assert f"| {kind} | {' | '.join(f'{share:.1f}' for share in shares)} |" in page
    for name, rate in MEASURED_NULL.items():
        assert f"| {name} | {rate:.1f} |" in page
