"""What is asked of stored runs: against which baseline, and what stands apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gatelab.errors import UserError, suggest
from gatelab.evidence.varied import variants_told_apart
from gatelab.store import Result

__all__ = ["Question", "check_question"]


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


def check_question(question: Question, results: Sequence[Result]) -> None:
    """Raise UserError for a key of ``by`` or ``apart`` that is no setting or in both, and a baseline without runs."""
    known = sorted({key for result in results for key in result.settings})
    for key in question.by:
        if key not in (*known, "task"):
            near = suggest(key, [*known, "task"])
            raise UserError(f"by={key}: no such setting{near}; allowed are task and settings of the runs")
    for key in question.apart:
        if key not in known:
            raise UserError(f"apart={key}: no such setting{suggest(key, known)}; allowed are settings of the runs")
        if key.startswith("task.") or key in question.by:
            raise UserError(
                f"apart={key}: makes a comparison of its own already, so that it cannot tell variants apart"
            )
    labels = {result.label for result in variants_told_apart(results, question.apart)}
    if question.baseline is not None and question.baseline not in labels:
        near = suggest(question.baseline, labels)
        raise UserError(f"unknown baseline '{question.baseline}'{near}; known are {', '.join(sorted(labels))}")
