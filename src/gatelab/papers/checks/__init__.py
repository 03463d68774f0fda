"""The checks that a claim can be tied to, by name."""

from gatelab.experiments.check import Check
from gatelab.experiments.measuring import InOrder, MeasureBetween, RatioBetween
from gatelab.experiments.searching import DoesNotHelp, ImportanceBetween
from gatelab.experiments.solving import FractionSolvedAtLeast, FractionSolvedAtMost, SolvesAndOtherDoesNot
from gatelab.experiments.testing import NotSignificantlyDifferent, SignificantlyBetter, SignificantlyWorse

__all__ = ["CHECKS"]

CHECKS: dict[str, type[Check]] = {
    "fraction_solved_at_least": FractionSolvedAtLeast,
    "fraction_solved_at_most": FractionSolvedAtMost,
    "solves_and_other_does_not": SolvesAndOtherDoesNot,
    "significantly_worse": SignificantlyWorse,
    "significantly_better": SignificantlyBetter,
    "not_significantly_different": NotSignificantlyDifferent,
    "measure_between": MeasureBetween,
    "ratio_between": RatioBetween,
    "importance_between": ImportanceBetween,
    "does_not_help": DoesNotHelp,
    "in_order": InOrder,
}
"""Name in claims.yaml -> check."""
