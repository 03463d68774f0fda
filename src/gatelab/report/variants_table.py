"""The table of variants: a row for each variant on each task, over its seeds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gatelab.evidence.scores import by_task, paired, score_header, scored, shown_name, stand_in, worse
from gatelab.evidence.selection import Selection
from gatelab.report.tables import ABSENT, Column, Table, seconds_text, significant
from gatelab.statistics import sample, summarise
from gatelab.store import Result

__all__ = ["variants_table"]


def variants_table(selection: Selection) -> Table:
    """Return a row for each task, variant label and searched settings: counts, test scores, cost.

    Ordered by task, then best mean first; the row of the baseline comes before the others of its task, and every other
    row then has its mean gain over the baseline of the same settings, paired by seed: positive where the variant is
    better. A diverged run scores as ``question.diverged`` says, in every number of the row. ``±`` is followed by the
    sample standard deviation over runs. Mean seconds are those of all runs of the row. Of a variant with more than nine
    settings only the one that validation chose is shown.
    """
    baseline = selection.question.baseline
    score = score_header(selection.results)
    named = [Column("score", ("score",))] if score == "score" else []
    varied = [Column("settings", ("settings",))] if any(selection.searched.values()) else []
    compared = [Column(f"mean gain over {baseline}, paired by seed", ("gain", "pairs"), _gain, "right")]
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
        Column("mean seconds", ("seconds",), seconds_text, "right"),
    ]
    rows = [row for group in by_task(selection.results).values() for row in _rows_of_task(group, selection)]
    return Table(columns, rows)


_MOST = 9  # settings of a variant that have a row each
_Key = tuple[str, str]  # variant label, varied settings


def _rows_of_task(results: Sequence[Result], selection: Selection) -> list[dict[str, Any]]:
    baseline = selection.question.baseline
    settings = selection.settings
    groups: dict[_Key, list[Result]] = {}
    for result in sorted(results, key=lambda result: (result.label, settings[result.identity])):
        groups.setdefault((result.label, settings[result.identity]), []).append(result)
    higher = results[0].higher_is_better
    diverged_as = stand_in(results, selection.question.diverged)
    rows = [_row(key, group, baseline, groups, diverged_as) for key, group in groups.items()]
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
    key: _Key,
    group: Sequence[Result],
    baseline: str | None,
    groups: Mapping[_Key, Sequence[Result]],
    diverged_as: float | None,
) -> dict[str, Any]:
    label, settings = key
    scores = sample([scored(result)[1] for result in group], diverged_as=diverged_as)
    summary = summarise(scores.values.tolist())
    sizes = [result.parameters for result in group]
    row: dict[str, Any] = {
        "task": group[0].task,
        "variant": label,
        "settings": settings,
        "score": shown_name(group[0]),
        "n": scores.counts.n,
        "diverged": scores.counts.n_diverged,
        "mean": summary.mean,
        "standard_deviation": summary.standard_deviation,
        "median": summary.median,
        "minimum": summary.minimum,
        "maximum": summary.maximum,
    }
    if baseline is not None:
        others = groups.get((baseline, settings)) if label != baseline else None
        gains = paired(group, others, diverged_as).differences if others else None
        row |= {
            "gain": summarise(gains.values.tolist()).mean if gains else None,
            "pairs": gains.counts.n_used if gains else None,
        }
    return row | {
        "chance": group[0].chance,
        "perfect": group[0].perfect,
        "parameters_minimum": min(sizes),
        "parameters_maximum": max(sizes),
        "seconds": float(np.mean([result.seconds for result in group])),
    }


def _mean(mean: float, standard_deviation: float) -> str:
    return f"{significant(mean)} ± {significant(standard_deviation, 2)}"


def _range(minimum: float, maximum: float) -> str:
    return f"{significant(minimum)}..{significant(maximum)}"


def _whole_range(minimum: int, maximum: int) -> str:
    return str(minimum) if minimum == maximum else f"{minimum}..{maximum}"


def _gain(gain: float | None, pairs: int | None) -> str:
    if gain is None:
        return ABSENT
    sign = "+" if gain > 0 else ""
    return f"{sign}{significant(gain)} ({pairs} {'pair' if pairs == 1 else 'pairs'})"
