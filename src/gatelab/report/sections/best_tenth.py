"""The best tenth of the settings of each variant, beside those of the baseline."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.collected import EndedRun
from gatelab.evidence.importance import FEWEST_TRIALS, TENTH
from gatelab.evidence.scores import shown_name, stand_in
from gatelab.report.drawing.drawing import drawn, hook, left_margin, name_rows, shortened_label
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Block, Figure, Figures, MethodNote, Tabular
from gatelab.report.sections.searched_settings import by_validation, settings_of
from gatelab.report.sections.wording import p_value
from gatelab.report.tables import Column, Table, significant
from gatelab.statistics import Policy, Significance, holm, locate, sample, welch_test

__all__ = ["BEST_TENTH", "best_tenth", "best_tenth_table", "best_tenths", "tenth_panel"]

_TENTH = (
    "Test scores of the runs in each variant's best tenth of settings by validation, as Greff et al. (2017) show them."
    " Filled: differs from the baseline by Welch's test, corrected by Holm over the variants of the task."
)
_TENTH_TABLE = (
    "The best tenth of settings of each variant: which runs of a search a careful user would have ended with."
)

BEST_TENTH = MethodNote(
    "The best tenths of the settings, as in \\citet{greff2017}, are compared by Welch's test \\citep{welch1947}.",
    ("greff2017", "welch1947"),
)


def best_tenths(
    analysis: Analysis, tasks: Sequence[str], looks: dict[str, Look], names: Mapping[str, str]
) -> list[Block]:
    """Return figures and table, or nothing where no variant was searched widely enough."""
    panels = tuple(tenth_panel(analysis, task, looks, names[task]) for task in tasks if _tenths(analysis, task))
    if not panels:
        return []
    return [Figures(panels, _TENTH), Tabular("best-tenth", _TENTH_TABLE, best_tenth_table(analysis, tasks))]


def best_tenth(analysis: Analysis, task: str, label: str) -> list[EndedRun]:
    """Return the runs of the best tenth of a variant's settings by validation (at least one setting)."""
    settings = by_validation(analysis, task, label)
    kept = settings[: max(1, round(TENTH * len(settings)))]
    return [run for setting in kept for run in setting.runs]


def _tenths(analysis: Analysis, task: str) -> dict[str, list[EndedRun]]:
    """Return label -> runs of its best tenth, of the variants that were searched widely enough to have one."""
    labels = [label for label in analysis.evidence.labels if len(settings_of(analysis, task, label)) >= FEWEST_TRIALS]
    return {label: best_tenth(analysis, task, label) for label in labels}


def _welch(analysis: Analysis, task: str) -> dict[str, tuple[Significance, float]]:
    """Return label -> test of its best tenth against the baseline's, and p corrected over the variants of the task."""
    tenths, baseline = _tenths(analysis, task), analysis.evidence.question.baseline
    if baseline not in tenths:
        return {}
    tests = {
        label: _against(runs, tenths[baseline], analysis.evidence.question.diverged)
        for label, runs in tenths.items()
        if label != baseline
    }
    family = holm([test.p for test in tests.values()], family=f"best tenths against {baseline} on {task}")
    return {label: (test, p) for (label, test), p in zip(tests.items(), family.adjusted, strict=True)}


def _against(runs: Sequence[EndedRun], baseline: Sequence[EndedRun], policy: Policy) -> Significance:
    results = [run.result for run in (*runs, *baseline)]
    sides = [
        sample([run.scored[1] for run in side], diverged_as=stand_in(results, policy)) for side in (runs, baseline)
    ]
    return welch_test(*sides, higher_is_better=results[0].higher_is_better)


def tenth_panel(analysis: Analysis, task: str, looks: dict[str, Look], name: str) -> Figure:
    """Return boxes and dots of the test scores, filled where they differ from the baseline's."""
    tenths, tests = _tenths(analysis, task), _welch(analysis, task)
    alpha = analysis.evidence.question.alpha

    def draw(axes: Axes) -> None:
        for place, (label, runs) in enumerate(tenths.items()):
            look = looks[label]
            scores = [run.scored[1] for run in runs if math.isfinite(run.scored[1])]
            different = label in tests and tests[label][1] < alpha
            if len(scores) > 2:
                low, middle, high = np.quantile(scores, [0.25, 0.5, 0.75])
                axes.fill(
                    [low, high, high, low], [place - 0.25, place - 0.25, place + 0.25, place + 0.25],
                    edgecolor=look.colour, linewidth=1.4,
                    facecolor=(look.colour, 0.45 if different else 0.0), gid=hook(look),
                )  # fmt: skip
                axes.plot(
                    [middle, middle], [place - 0.25, place + 0.25], color=look.colour, linewidth=2, gid=hook(look)
                )
            for position, run in enumerate(runs):
                if math.isfinite(run.scored[1]):
                    height = place + 0.16 * (((position * 0.618034) % 1) * 2 - 1)
                    axes.plot([run.scored[1]], [height], look.marker, color=look.colour, markersize=4,
                              gid=hook(look, run.number))  # fmt: skip
        name_rows(axes, [shortened_label(label) for label in tenths], [looks[label] for label in tenths])
        axes.set_xlabel(f"test {shown_name(analysis.evidence.of_task(task))}")

    height = 0.95 + 0.4 * len(tenths)
    return drawn(f"best-tenth-{name}", f"{task}: best tenth", draw, height=height, left=left_margin(list(tenths)))


def best_tenth_table(analysis: Analysis, tasks: Sequence[str]) -> Table:
    """Return a row for each task and variant with a best tenth: its scores, and Welch's test against the baseline's."""
    columns = [
        Column("task", ("task",)),
        Column("variant", ("variant",)),
        Column("settings tried", ("settings",), align="right"),
        Column("runs in the best tenth", ("runs",), align="right"),
        Column("median test score", ("median",), significant, "right", strong="different"),
        Column("best", ("best",), significant, "right"),
        Column("worst", ("worst",), significant, "right"),
        Column("p (Welch, Holm)", ("p",), p_value, "right"),
    ]
    rows = []
    for task in tasks:
        tests = _welch(analysis, task)
        higher = analysis.evidence.of_task(task).higher_is_better
        for label, runs in _tenths(analysis, task).items():
            scores = [run.scored[1] for run in runs if math.isfinite(run.scored[1])]
            p = tests[label][1] if label in tests else None
            row: dict[str, object] = {
                "task": task,
                "variant": label,
                "settings": len(settings_of(analysis, task, label)),
                "runs": len(runs),
                "median": locate(scores).median,
                "best": (max if higher else min)(scores, default=math.nan),
                "worst": (min if higher else max)(scores, default=math.nan),
                "p": p,
                "different": p is not None and p < analysis.evidence.question.alpha,
            }
            rows.append(row)
    return Table(columns, rows)
