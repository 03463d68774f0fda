"""The table of runs: a row for every run, whether it finished or diverged."""

from typing import Any

from gatelab.evidence.scores import score_header, shown_name
from gatelab.evidence.selection import Selection
from gatelab.report.tables import Column, Table, plain, seconds_text, significant
from gatelab.store import Result

__all__ = ["runs_table"]


def runs_table(selection: Selection) -> Table:
    """Return a row for each run, ordered by task, variant label, seed and identity.

    Scores are those of the checkpoint with the best validation score; a run that diverged shows at which step.
    """
    score = score_header(selection.results)
    named = [Column("score", ("score",))] if score == "score" else []
    columns = [
        Column("run", ("identity",)),
        Column("variant", ("variant",)),
        Column("task", ("task",)),
        *([Column("settings", ("settings",))] if any(selection.searched.values()) else []),
        Column("seed", ("seed",), align="right"),
        Column("status", ("status", "diverged_at"), _status),
        *named,
        Column("best step", ("best_step",), plain, "right"),
        Column(f"validation {score}", ("validation_score",), significant, "right"),
        Column(f"test {score}", ("test_score",), significant, "right"),
        Column("parameters", ("parameters",), align="right"),
        Column("seconds", ("seconds",), seconds_text, "right"),
    ]
    return Table(columns, [_row(result, selection.settings[result.identity]) for result in selection.results])


def _row(result: Result, settings: str) -> dict[str, Any]:
    return {
        "identity": result.identity,
        "variant": result.label,
        "task": result.task,
        "settings": settings,
        "seed": result.seed,
        "status": result.status,
        "diverged_at": result.diverged_at,
        "best_step": result.best_step,
        "score": shown_name(result),
        "validation_loss": result.validation.loss,
        "validation_score": result.validation.score,
        "test_loss": result.test.loss,
        "test_score": result.test.score,
        "parameters": result.parameters,
        "steps": result.steps,
        "seconds": result.seconds,
        "path": result.path,
    }


def _status(status: str, diverged_at: int | None) -> str:
    return status if diverged_at is None else f"{status} at {diverged_at}"
