"""What is asked of stored runs: against which baseline, and what stands apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from gatelab.errors import UserError, suggest

__all__ = ["Question", "asked"]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the runs."""

    baseline: str | None = None
    """The label that the others are compared with."""
    by: tuple[str, ...] = ("task",)
    """What makes a comparison of its own: the task, and the settings named here. Other varied settings are searched."""
    apart: tuple[str, ...] = ()
    """Settings that make a variant of its own, named after it: ``opening.name`` gives ``lstm opening=chrono``."""
    small: float = 0.01
    """Differences below this share of the way from chance to perfect are too small to matter."""
    diverged: Literal["worst", "separate"] = "worst"
    """A diverged run scores like the worst run of the two that are compared (or chance), or is left out and counted."""
    family: Literal["page", "task"] = "page"
    """The comparisons that are corrected together."""
    alpha: float = 0.05


def asked(
    baseline: str | None,
    by: Sequence[str],
    apart: Sequence[str],
    small: object,
    diverged: str,
    family: str,
) -> Question:
    """Return a question, its values checked.

    Raises:
        UserError: a value that is not allowed.
    """
    if "task" not in by:
        raise UserError(
            f"by={','.join(by)}: must name task, and may name settings beside it; scores of tasks do not mix"
        )
    _check_choice("diverged", diverged, ("worst", "separate"))
    _check_choice("family", family, ("page", "task"))
    kinds = cast(tuple[Literal["worst", "separate"], Literal["page", "task"]], (diverged, family))
    return Question(baseline or None, tuple(dict.fromkeys(by)), tuple(dict.fromkeys(apart)), _share(small), *kinds)


def _share(small: object) -> float:
    try:
        share = float(str(small))
    except ValueError:
        share = math.nan
    if not 0 <= share < 1:
        raise UserError(f"small={small}: must be a number of at least 0 and below 1")
    return share


def _check_choice(name: str, value: str, allowed: tuple[str, str]) -> None:
    if value not in allowed:
        raise UserError(f"{name}={value}: must be {' or '.join(allowed)}{suggest(str(value), allowed)}")
