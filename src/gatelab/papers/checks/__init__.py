"""The checks that a claim can be tied to, by name."""

from gatelab.papers.checks.check import Check
from gatelab.papers.checks.measured import InOrder, MeasureBetween, RatioBetween
from gatelab.papers.checks.searched import DoesNotHelp, ImportanceBetween
from gatelab.papers.checks.solved import FractionSolvedAtLeast, FractionSolvedAtMost, SolvesAndOtherDoesNot
from gatelab.papers.checks.tested import NotSignificantlyDifferent, SignificantlyBetter, SignificantlyWorse

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
