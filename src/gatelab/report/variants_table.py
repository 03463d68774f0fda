"""The table of variants: a row for each variant on each task, over its seeds."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from gatelab.evidence.scores import by_task, score_header, shown_name, worse
from gatelab.evidence.varied import tasks_told_apart, variants_told_apart, varied_settings
from gatelab.report.tables import ABSENT, Column, Table, duration, significant
from gatelab.statistics import paired_difference, summarise
from gatelab.store import Result

__all__ = ["variants_table"]


def variants_table(results: Sequence[Result], baseline: str | None = None, apart: Collection[str] = ()) -> Table:
    """Return a row for each task, variant label and varied settings: counts, test scores of its finished runs, cost.

    Ordered by task, then best mean first; the row of the ``baseline`` label comes before the others of its task, and
    every other row then tells its mean difference to the baseline of the same settings (variant minus baseline, over
    the seeds that finished in both). ``±`` is followed by the sample standard deviation over runs. Mean seconds are
    those of all runs of the row, diverged ones too. Of a variant with more than nine settings only the one that
    validation chose is told. Settings of ``apart`` are part of the label and make no rows of their own.
    """
    score = score_header(results)
    results = tasks_told_apart(variants_told_apart(results, apart))
    settings = varied_settings(results, apart)
    named = [Column("score", ("score",))] if score == "score" else []
    varied = [Column("settings", ("settings",))] if any(settings.values()) else []
    compared = [Column(f"mean difference to {baseline}, paired by seed", ("difference", "pairs"), _difference, "right")]
    columns = [
        Column("task", ("task",)),
        Column("variant", ("variant",)),
        *varied,
        *named,
        Column("runs", ("n",), align="right"),
        Column("diverged", ("diverged",), align="right"),
        Column(f"test {score}, mean ± sd over runs", ("mean", "standard_deviation"), _mean, "right"),
        Column("median", ("median",), significant, "right"),
        Column("min..max", ("minimum", "maximum"), _range, "right"),
        *(compared if baseline is not None else []),
        Column("chance", ("chance",), significant, "right"),
        Column("parameters", ("parameters_minimum", "parameters_maximum"), _whole_range, "right"),
        Column("mean seconds", ("seconds",), duration, "right"),
    ]
    rows = [row for group in by_task(results).values() for row in _rows_of_task(group, settings, baseline)]
    return Table(columns, rows)


_MOST = 9  # settings of a variant that have a row each
_Key = tuple[str, str]  # variant label, varied settings


def _rows_of_task(results: Sequence[Result], settings: Mapping[str, str], baseline: str | None) -> list[dict[str, Any]]:
    groups: dict[_Key, list[Result]] = {}
    for result in sorted(results, key=lambda result: (result.label, settings[result.identity])):
        groups.setdefault((result.label, settings[result.identity]), []).append(result)
    higher = results[0].higher_is_better
    rows = [_row(key, group, baseline, groups) for key, group in groups.items()]
    for label in dict.fromkeys(label for label, _ in groups):
        tried = [row for row in rows if row["variant"] == label]
        if len(tried) > _MOST:
            chosen = min(
                tried, key=lambda row: worse(_validation(groups[label, row["settings"]]), higher_is_better=higher)
            )
            chosen["settings"] = f"best of {len(tried)} by validation: {chosen['settings']}"
            rows = [row for row in rows if row["variant"] != label or row is chosen]
    return sorted(
        rows,
        key=lambda row: (
            row["variant"] != baseline,
            worse(row["mean"], higher_is_better=higher),
            row["variant"],
            row["settings"],
        ),
    )


def _validation(group: Sequence[Result]) -> float:
    """Return the mean of the best validation scores; NaN if a run diverged, which nobody would choose."""
    if any(result.status != "finished" for result in group):
        return math.nan
    return math.fsum(result.validation.score for result in group) / len(group)


def _row(
    key: _Key, group: Sequence[Result], baseline: str | None, groups: Mapping[_Key, Sequence[Result]]
) -> dict[str, Any]:
    label, settings = key
    scores = _test_scores(group)
    summary = summarise([score for _, score in scores], diverged=len(group) - len(scores))
    sizes = [result.parameters for result in group]
    row: dict[str, Any] = {
        "task": group[0].task,
        "variant": label,
        "settings": settings,
        "score": shown_name(group[0]),
        "n": summary.n,
        "diverged": summary.diverged,
        "mean": summary.mean,
        "standard_deviation": summary.standard_deviation,
        "median": summary.median,
        "minimum": summary.minimum,
        "maximum": summary.maximum,
    }
    if baseline is not None:
        others = groups.get((baseline, settings)) if label != baseline else None
        paired = paired_difference(scores, _test_scores(others)) if others else None
        row |= {"difference": paired.mean if paired else None, "pairs": paired.n if paired else None}
    return row | {
        "chance": group[0].chance,
        "perfect": group[0].perfect,
        "parameters_minimum": min(sizes),
        "parameters_maximum": max(sizes),
        "seconds": float(np.mean([result.seconds for result in group])),
    }


def _test_scores(group: Sequence[Result]) -> list[tuple[int, float]]:
    return [(result.seed, result.test.score) for result in group if result.status == "finished"]


def _mean(mean: float, standard_deviation: float) -> str:
    return f"{significant(mean)} ± {significant(standard_deviation, 2)}"


def _range(minimum: float, maximum: float) -> str:
    return f"{significant(minimum)}..{significant(maximum)}"


def _whole_range(minimum: int, maximum: int) -> str:
    return str(minimum) if minimum == maximum else f"{minimum}..{maximum}"


def _difference(difference: float | None, pairs: int | None) -> str:
    if difference is None:
        return ABSENT
    sign = "+" if difference > 0 else ""
    return f"{sign}{significant(difference)} ({pairs} {'pair' if pairs == 1 else 'pairs'})"
