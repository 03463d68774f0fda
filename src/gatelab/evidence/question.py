"""What is asked of stored runs: against which baseline, and what stands apart."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Question"]


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
    """A diverged run scores like the worst run of its task (or chance), or is left out and counted."""
    family: Literal["page", "task"] = "page"
    """The comparisons that are corrected together."""
    alpha: float = 0.05
