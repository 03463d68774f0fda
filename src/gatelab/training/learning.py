"""How far a run has come, and what it has found: what a checkpoint keeps of it, without Lightning."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

__all__ = ["Progress"]


@dataclass
class Progress:
    """The progress of one run of a stack.

    Attributes:
        steps: optimisation steps taken.
        diverged_at: the step (from 1) whose loss or gradient was not finite; None if there was none.
        stopped: patience has run out, or the target score was reached.
        lost: another process has taken the run over.
        best_step: the step after which the validation score was best; None before the first validation.
        best: validation (loss, score) at that step.
        best_weights: parameter name -> tensor at that step.
        stale: validations since then.
        drops: of the learning rate, on a plateau of the validation score.
        optimizer_state: of a run that no longer learns, from its last step; None while it learns.
        gradient_norm: the same.
    """

    steps: int = 0
    diverged_at: int | None = None
    stopped: bool = False
    lost: bool = False
    best_step: int | None = None
    best: tuple[float, float] = (float("nan"), float("nan"))
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    stale: int = 0
    drops: int = 0
    optimizer_state: dict[str, Any] | None = None
    gradient_norm: float | None = None

    @property
    def active(self) -> bool:
        """Whether the run still learns."""
        return self.diverged_at is None and not self.stopped and not self.lost
