"""Power and seeds: against the known tables, by simulation, and at the edges."""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from gatelab.statistics import (
    plan_comparison,
    power_of_t_test,
    seeds_for_probability,
    seeds_needed,
    sign_flip_test,
    smallest_detectable_effect,
)


@pytest.mark.parametrize("effect, expected", [(2.0, 6), (1.5, 9), (1.0, 17), (0.8, 26), (0.5, 64), (0.2, 394)])
def test_unpaired_seeds_are_those_of_cohens_tables(effect, expected):
    assert seeds_needed(effect, paired=False) == expected


@pytest.mark.parametrize("effect, expected", [(2.0, 6), (1.5, 7), (1.0, 10), (0.8, 15), (0.5, 34)])
def test_paired_seeds(effect, expected):
    assert seeds_needed(effect, paired=True) == expected
    # a correlation of one half makes d_z equal to d
    assert seeds_needed(effect, paired=True, correlation=0.5) == expected


@pytest.mark.parametrize("effect, unpaired, paired", [(1.0, 16, 8), (0.8, 25, 13), (0.5, 63, 32)])
def test_normal_approximation(effect, unpaired, paired):
    # ceil(2 (1.960 + 0.842)² / d²), and half of that
    assert seeds_needed(effect, paired=False, distribution="normal") == unpaired
    assert seeds_needed(effect, paired=True, distribution="normal") == paired


@pytest.mark.parametrize("n, paired", [(2, False), (3, True), (10, True), (10, False), (50, False)])
def test_power_is_the_integral_over_the_spread(n, paired):
    # t = (z + shift) / s, so the power is that of z alone, averaged over the distribution of s
    freedom = n - 1 if paired else 2 * n - 2
    shift = 0.9 * math.sqrt(n if paired else n / 2)
    limit = stats.t.isf(0.025, freedom)

    def given_spread(s):
        beyond = special.ndtr(shift - limit * s) + special.ndtr(-shift - limit * s)
        return beyond * stats.chi.pdf(s * math.sqrt(freedom), freedom) * math.sqrt(freedom)

    expected = integrate.quad(given_spread, 0, 12, epsabs=1e-12, limit=500, points=[0.5, 1.0, 2.0])[0]
    assert power_of_t_test(0.9, n, paired=paired) == pytest.approx(expected, abs=1e-8)


def test_power_without_effect_is_alpha():
    assert power_of_t_test(0.0, 10, paired=True) == pytest.approx(0.05, abs=1e-12)
    assert power_of_t_test(0.0, 10, paired=False, alpha=0.01) == pytest.approx(0.01, abs=1e-12)


@pytest.mark.parametrize("effect", [1e3, 1e12, 1e300])
@pytest.mark.parametrize("paired", [True, False])
def test_power_of_a_huge_effect_is_one(effect, paired):
    assert power_of_t_test(effect, 20, paired=paired, comparisons=1000) == 1.0
    assert power_of_t_test(-effect, 20, paired=paired) == 1.0


@pytest.mark.parametrize("n", [3, 6, 7, 10, 30])
@pytest.mark.parametrize("comparisons", [1, 3])
def test_smallest_effect_and_seeds_agree(n, comparisons):
    effect = smallest_detectable_effect(n, paired=False, comparisons=comparisons)
    assert power_of_t_test(effect, n, paired=False, comparisons=comparisons) == pytest.approx(0.8, abs=1e-9)
    assert seeds_needed(effect * (1 + 1e-9), paired=False, comparisons=comparisons) == n
    paired = smallest_detectable_effect(n, paired=True, comparisons=comparisons)
    assert (paired == math.inf) == (2 / 2**n * comparisons > 0.05)


def test_too_few_seeds_see_nothing():
    assert smallest_detectable_effect(5, paired=True) == math.inf
    assert smallest_detectable_effect(1, paired=False) == math.inf
    assert power_of_t_test(1.0, 1, paired=True) == 0.0
    assert seeds_needed(1e6, paired=True) == 6
    assert seeds_needed(math.inf, paired=True, comparisons=10) == 9
    assert seeds_needed(math.inf, paired=False) == 2


def test_six_pairs_need_all_signs_to_agree():
    # 0.9635^6 = 0.8, and Φ(1.793) = 0.9635
    assert smallest_detectable_effect(6, paired=True) == pytest.approx(special.ndtri(0.8 ** (1 / 6)), abs=1e-6)


@pytest.mark.parametrize("n", [6, 7, 8, 10])
def test_the_sign_flip_test_has_the_promised_power(n):
    effect = smallest_detectable_effect(n, paired=True)
    differences = np.random.default_rng(n).normal(effect, 1, (2000, n))
    found = np.mean([sign_flip_test(row).p <= 0.05 for row in differences])
    assert found == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("effect", [0.0, 1e-6, math.nan])
def test_no_number_of_seeds_is_enough(effect):
    assert seeds_needed(effect, paired=True) is None
    assert seeds_needed(effect, paired=False) is None


def test_direction_of_the_effect_does_not_matter():
    assert seeds_needed(-0.8, paired=False) == seeds_needed(0.8, paired=False)
    assert power_of_t_test(-0.8, 9, paired=True) == power_of_t_test(0.8, 9, paired=True)


@pytest.mark.parametrize("probability, strict, usual", [(0.75, 29, 17), (0.65, 81, 46), (0.9, 12, 7)])
def test_noether(probability, strict, usual):
    assert seeds_for_probability(probability, power=0.95) == strict
    assert seeds_for_probability(probability) == usual
    assert seeds_for_probability(1 - probability) == usual
    assert seeds_for_probability(probability, two_sided=True) > usual


def test_noether_of_nothing():
    assert seeds_for_probability(0.5) is None
    assert seeds_for_probability(0.5000001) is None


def test_five_paired_seeds_decide_nothing():
    plan = plan_comparison(5)
    assert (plan.smallest_p, plan.decides, plan.seeds_to_decide, plan.smallest_effect) == (0.0625, False, 6, math.inf)
    assert plan.sentence == (
        "5 paired seeds and 1 comparison cannot decide anything at alpha = 0.05: p cannot get below 0.0625, "
        "whatever the scores; at least 6 paired seeds are needed."
    )


def test_a_family_needs_more_seeds():
    plan = plan_comparison(8, 8)
    assert (plan.smallest_p, plan.decides, plan.seeds_to_decide) == (0.0625, False, 9)
    assert "p after Holm's correction cannot get below 0.0625" in plan.sentence
    assert plan_comparison(9, 8).decides


def test_a_plan_that_can_decide_says_what():
    plan = plan_comparison(10)
    assert plan.decides
    assert plan.smallest_effect == pytest.approx(0.996, abs=1e-3)
    assert "a difference of 1.00 standard deviations of the paired differences or more" in plan.sentence


@pytest.mark.parametrize("seeds, decides", [(0, False), (1, False), (3, False), (4, True)])
def test_unpaired_plans(seeds, decides):
    plan = plan_comparison(seeds, paired=False)
    assert (plan.decides, plan.seeds_to_decide) == (decides, 4)
    assert "\n" not in plan.sentence


def test_a_plan_compares_something():
    with pytest.raises(ValueError, match="0 comparisons; allowed: 1 or more"):
        plan_comparison(5, 0)
