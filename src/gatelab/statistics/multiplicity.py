"""Several comparisons at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Family", "holm"]


@dataclass(frozen=True, slots=True)
class Family:
    """The p values of a stated family of comparisons, corrected; everything in the order given."""

    name: str
    """What the family is, in words: ``5 variants against lstm on adding``."""
    p: tuple[float, ...]
    """Two-sided, uncorrected; 1 where the comparison could not be made."""
    adjusted: tuple[float, ...]
    """Holm's adjusted p: compare with alpha itself. At least ``p``, at most 1."""

    @property
    def size(self) -> int:
        """How many comparisons were corrected for."""
        return len(self.p)


def holm(p: Sequence[float], *, family: str) -> Family:
    """Return Holm's adjusted p values of a family, in the order given; the error of the whole family is held.

    A p of NaN (a comparison that could not be made) counts in the family's size as a p of 1. Raises ValueError for
    p outside 0..1. Source: Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
    """
    values = [1.0 if math.isnan(value) else float(value) for value in p]
    for value in values:
        if not 0 <= value <= 1:
            raise ValueError(f"p = {value} in the family {family!r}; allowed: 0..1")
    adjusted = [1.0] * len(values)
    reached = 0.0
    for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        reached = max(reached, min(1.0, (len(values) - place) * values[index]))
        adjusted[index] = reached
    return Family(family, tuple(values), tuple(adjusted))
