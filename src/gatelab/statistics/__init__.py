"""What the numbers of many runs say; numpy and scipy only. A positive difference means: better than the baseline.

docs/statistics.md describes every function; some are for use from Python alone, and no page of ours calls them.

scipy takes half a second to import, so the functions that need it do so themselves.
"""

from gatelab.statistics.bootstrap import BootstrapMethod, bootstrap_difference, bootstrap_interval, bootstrap_paired
from gatelab.statistics.budget import BudgetCurve, expected_best
from gatelab.statistics.curves import area_under_curve, time_to_threshold
from gatelab.statistics.effects import Effect, cliffs_delta, cohens_d, cohens_dz, hedges_correction
from gatelab.statistics.improvement import probability_of_improvement, probability_of_improvement_paired
from gatelab.statistics.intervals import Interval, Method, median_interval, student_interval
from gatelab.statistics.location import Location, Statistic, StatisticName, interquartile_mean, locate, mean, median
from gatelab.statistics.multiplicity import Family, holm
from gatelab.statistics.pairs import Pairs, pair_by_seed, pair_typical_runs
from gatelab.statistics.planning import SeedPlan, plan_comparison
from gatelab.statistics.power import (
    Distribution,
    power_of_t_test,
    seeds_for_probability,
    seeds_needed,
    smallest_detectable_effect,
)
from gatelab.statistics.profiles import Profile, normalise, performance_profile
from gatelab.statistics.ranks import FEWEST_TASKS, Ranks, Refusal, rank_variants
from gatelab.statistics.samples import Counted, Counts, Policy, Sample, Scores, as_sample, diverged_score, sample
from gatelab.statistics.shares import exact_share, majority_p, wilson_share
from gatelab.statistics.significance import (
    Significance,
    sign_flip_test,
    smallest_p,
    typical_test,
    welch_test,
    wilcoxon_test,
)
from gatelab.statistics.summary import Summary, summarise
from gatelab.statistics.survival import Survival, survive

__all__ = [
    "FEWEST_TASKS",
    "BootstrapMethod",
    "BudgetCurve",
    "Counted",
    "Counts",
    "Distribution",
    "Effect",
    "Family",
    "Interval",
    "Location",
    "Method",
    "Pairs",
    "Policy",
    "Profile",
    "Ranks",
    "Refusal",
    "Sample",
    "Scores",
    "SeedPlan",
    "Significance",
    "Statistic",
    "StatisticName",
    "Summary",
    "Survival",
    "area_under_curve",
    "as_sample",
    "bootstrap_difference",
    "bootstrap_interval",
    "bootstrap_paired",
    "cliffs_delta",
    "cohens_d",
    "cohens_dz",
    "diverged_score",
    "exact_share",
    "expected_best",
    "hedges_correction",
    "holm",
    "interquartile_mean",
    "locate",
    "majority_p",
    "mean",
    "median",
    "median_interval",
    "normalise",
    "pair_by_seed",
    "pair_typical_runs",
    "performance_profile",
    "plan_comparison",
    "power_of_t_test",
    "probability_of_improvement",
    "probability_of_improvement_paired",
    "rank_variants",
    "sample",
    "seeds_for_probability",
    "seeds_needed",
    "sign_flip_test",
    "smallest_detectable_effect",
    "smallest_p",
    "student_interval",
    "summarise",
    "survive",
    "time_to_threshold",
    "typical_test",
    "welch_test",
    "wilcoxon_test",
    "wilson_share",
]
