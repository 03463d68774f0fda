"""The number of points of a sweep, without listing them: ``range(1000000000)`` is counted at once."""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction

from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep

from gatelab.errors import UserError

__all__ = ["MOST_POINTS", "check_count", "check_size", "points", "values"]

MOST_POINTS = 100_000
"""Default limit on the points of a sweep. More is nearly always a mistake, and planning them takes minutes."""


def check_size(overrides: Sequence[Override], most: int = MOST_POINTS, advice: str = "sweep fewer values") -> int:
    """Return how many points a sweep has.

    Raises:
        UserError: more than ``most``, or none; ``advice`` ends the sentence.
    """
    for override in overrides:
        if override.is_sweep_override() and values(override) == 0:
            raise UserError(f"{override.input_line}: has no values{_why_none(override.value())}")
    count = points(overrides)
    check_count(count, most, advice)
    return count


def check_count(count: int, most: int, advice: str, parts: str = "") -> None:
    """Raise a UserError if a sweep has too many points; ``parts`` lists their factors."""
    if count > most:
        raise UserError(f"{count:,} points{parts}: more than {most:,}, the most that a sweep may have; {advice}")


def points(overrides: Iterable[Override]) -> int:
    """Return how many points the combinations of all overrides are; of several for one key the last counts."""
    return math.prod({override.get_key_element(): values(override) for override in overrides}.values())


def values(override: Override) -> int:
    """Return how many values an override has.

    Raises:
        UserError: a range without end.
    """
    value = override.value()
    if isinstance(value, RangeSweep):
        return _steps(value, str(override.input_line))
    if isinstance(value, ChoiceSweep):
        return len(value.list)
    if override.is_discrete_sweep():  # a glob: as many as the options that it matches
        return sum(1 for _ in override.sweep_iterator())
    return 1


def _why_none(value: object) -> str:
    if not isinstance(value, RangeSweep):
        return ""
    if value.start == value.stop:
        return "; the second end of a range is left out"
    return f": steps of {value.step} do not lead from {value.start} to {value.stop}"


def _steps(sweep: RangeSweep, where: str) -> int:
    ends = (sweep.start, sweep.stop, sweep.step)
    # exactly the numbers of Hydra's steps
    start, stop, step = (Decimal(end if end is not None else 0) for end in ends)
    if not (start.is_finite() and stop.is_finite() and step.is_finite()):
        raise UserError(f"{where}: both ends and the step must be finite numbers")
    if step == 0:
        raise UserError(f"{where}: the step must not be 0")
    # a quotient of decimals would be rounded
    return max(0, math.ceil((Fraction(stop) - Fraction(start)) / Fraction(step)))
