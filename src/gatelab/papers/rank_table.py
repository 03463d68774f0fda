"""Variants by tasks, median scores and ranks: each at the setting that validation chose, of five tasks or more."""

import math
from collections.abc import Mapping

from scipy.stats import rankdata

from gatelab.evidence.collected import Evidence
from gatelab.evidence.scores import mean_by_seed, worse
from gatelab.report import Column, Table
from gatelab.report.tables import significant
from gatelab.statistics import FEWEST_TASKS, Ranks, Refusal, locate, rank_variants

__all__ = ["ranks_section"]


def ranks_section(evidence: Evidence) -> str:
    """Return the variants by their average rank over tasks, in Markdown; an empty text of fewer than five tasks."""
    if len(evidence.tasks) < FEWEST_TASKS:
        return ""
    labels = [label for label in evidence.labels if all((task, label) in evidence.settings for task in evidence.tasks)]
    medians = {(task, label): _median(evidence, task, label) for task in evidence.tasks for label in labels}
    places = {task: _places(evidence, task, labels, medians) for task in evidence.tasks}
    found = rank_variants(
        labels, [[places[task][label] for task in evidence.tasks] for label in labels], higher_is_better=False
    )
    if isinstance(found, Refusal):
        return ""
    average = dict(zip(labels, found.average, strict=True))
    rows = [
        {"variant": label, "average": average[label], **{task: (medians[task, label], places[task][label])
                                                         for task in evidence.tasks}}
        for label in sorted(labels, key=lambda label: (average[label], label))
    ]  # fmt: skip
    columns = [
        Column("variant", ("variant",)),
        Column("average rank", ("average",), "{:.2f}".format, "right"),
        *(Column(_header(evidence, task), (task,), _score_and_place, "right") for task in evidence.tasks),
    ]
    return f"{_words(found)}\n\n{Table(columns, rows).markdown()}"


def _median(evidence: Evidence, task: str, label: str) -> float:
    """Return the median test score over seeds, a diverged run at chance; NaN if that is unknown."""
    scores = mean_by_seed([run.scored for run in evidence.chosen(task, label).runs], evidence.of_task(task).chance)
    return locate(list(scores.values())).median


def _places(
    evidence: Evidence, task: str, labels: list[str], medians: Mapping[tuple[str, str], float]
) -> dict[str, float]:
    higher = evidence.of_task(task).higher_is_better
    ranks = rankdata([worse(medians[task, label], higher_is_better=higher) for label in labels])
    return dict(zip(labels, ranks.tolist(), strict=True))


def _header(evidence: Evidence, task: str) -> str:
    return f"{task} {'↑' if evidence.of_task(task).higher_is_better else '↓'}"


def _score_and_place(both: tuple[float, float]) -> str:
    score, place = both
    return f"{'–' if math.isnan(score) else significant(score, 3)} ({place:g})"


def _words(ranks: Ranks) -> str:
    told = (
        "Median test scores over seeds (a diverged run has chance), at the setting that validation chose, and in"
        f" parentheses the rank; average ranks over {ranks.n} tasks. Friedman's test: p = {ranks.friedman_p:.2g}"
    )
    if ranks.friedman_p >= ranks.alpha:
        return f"{told}, so that no two variants are told apart by their ranks."
    return f"{told}. Two average ranks that differ by more than {ranks.critical_difference:.2f} differ (Nemenyi)."
