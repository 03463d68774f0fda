"""The table of variants: a row for each variant on each task, over its seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gatelab.evidence.choosing import Tried, settings_tried, to_compare
from gatelab.evidence.question import Question
from gatelab.evidence.scores import by_seed, paired, score_header, shown_name, stand_in, worse
from gatelab.evidence.selection import Selection
from gatelab.report.tables import ABSENT, Column, Table, seconds_text, significant
from gatelab.statistics import summarise

__all__ = ["variants_table"]


def variants_table(selection: Selection) -> Table:
    """Return a row for each task, variant label and searched settings: counts, test scores, cost.

    Ordered by task, then best mean first; the rows of the baseline come before the others of its task. The setting that
    validation chose is marked, and has the gain that the page shows: the median difference to the baseline at the
    setting chosen for it, paired by seed, positive where the variant is better. A diverged run scores as
    ``question.diverged`` says, and several runs of one seed count as one, in every number of the row. ``±`` is followed
    by the sample standard deviation over seeds. Mean seconds are those of all runs of the row. Of a variant with more
    than nine settings only the chosen one is shown.
    """
    baseline = selection.question.baseline
    score = score_header(selection.results)
    settings = settings_tried(selection)
    named = [Column("score", ("score",))] if score == "score" else []
    varied = [Column("settings", ("settings",))] if any(selection.searched.values()) else []
    chosen = [Column("chosen", ("mark",))] if any(len(tried) > 1 for tried in settings.values()) else []
    compared = [Column(f"median gain over {baseline}, paired by seed", ("typical", "pairs"), _gain, "right")]
    columns = [
        Column("task", ("task",)),
        Column("variant", ("variant",)),
        *varied,
        *chosen,
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
    rows = [row for task, label in settings for row in _rows(settings, task, label, selection.question)]
    higher = {result.task: result.higher_is_better for result in selection.results}
    rows.sort(
        key=lambda row: (
            row["task"],
            row["variant"] != baseline,
            worse(row["mean"], higher_is_better=higher[row["task"]]),
            row["variant"],
            row["settings"],
        )
    )
    return Table(columns, rows)


_MOST = 9  # settings of a variant that have a row each
_Settings = Mapping[tuple[str, str], Sequence[Tried]]


def _rows(settings: _Settings, task: str, label: str, question: Question) -> list[dict[str, Any]]:
    tried = settings[task, label]
    baseline = settings.get((task, question.baseline or ""), ())
    theirs = baseline[0] if baseline else None
    rows = []
    for place, each in enumerate(tried if len(tried) <= _MOST else tried[:1]):
        row = _row(each, theirs, question)
        chosen = place == 0 and len(tried) > 1
        row |= {"chosen": chosen, "mark": "yes" if chosen else ""}
        if question.baseline is not None:
            compared = place == 0 and label != question.baseline and theirs is not None
            row |= _gained(each, theirs, question) if compared and theirs else {"typical": None, "pairs": None}
        rows.append(row)
    if len(tried) > _MOST:
        rows[0]["settings"] = f"best of {len(tried)} by validation: {rows[0]['settings']}"
    return rows


def _row(tried: Tried, baseline: Tried | None, question: Question) -> dict[str, Any]:
    first = tried.results[0]
    known = [*tried.results, *(baseline.results if baseline else ())]
    scores = by_seed(tried.results, stand_in(known, question.diverged))
    summary = summarise(scores.values.tolist())
    sizes = [result.parameters for result in tried.results]
    return {
        "task": first.task,
        "variant": first.label,
        "settings": tried.text,
        "score": shown_name(first),
        "n": scores.counts.n,
        "diverged": scores.counts.n_diverged,
        "mean": summary.mean,
        "standard_deviation": summary.standard_deviation,
        "median": summary.median,
        "minimum": summary.minimum,
        "maximum": summary.maximum,
        "chance": first.chance,
        "perfect": first.perfect,
        "parameters_minimum": min(sizes),
        "parameters_maximum": max(sizes),
        "seconds": float(np.mean([result.seconds for result in tried.results])),
    }


def _gained(ours: Tried, theirs: Tried, question: Question) -> dict[str, Any]:
    both = to_compare(ours.results, ours.fresh, theirs.results, theirs.fresh)
    gains = paired(both.ours, both.theirs, stand_in([*both.ours, *both.theirs], question.diverged)).differences
    return {"typical": summarise(gains.values.tolist()).median, "pairs": gains.counts.n_used}


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
