"""Every run as a dot over a box, task by task."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.collected import EndedRun
from gatelab.evidence.scores import shown_name
from gatelab.report.drawing.drawing import (
    GREY,
    drawn,
    hook,
    left_margin,
    name_rows,
    plain_ticks,
    shortened_label,
    spans_decades,
)
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Figure, Figures, Section
from gatelab.report.sections.thinning import drawn_runs, told
from gatelab.report.sections.wording import file_names

__all__ = ["dots"]


def dots(analysis: Analysis, looks: dict[str, Look]) -> Section:
    """Return the section."""
    tasks = analysis.evidence.tasks
    names = file_names(tasks)
    figures = tuple(_panel(analysis, task, looks, names[task]) for task in tasks)
    caption = (
        "Test score of each run at the step that validation chose; the box holds the middle half, its line is the"
        " median."
    )
    if any(not run.finished for task in tasks for runs in _groups(analysis, task).values() for run in runs):
        caption += " A cross at the margin is a run that diverged."
    seen = {words for task in tasks for _, style in _lines(analysis, task) for words in [_LINES[style]]}
    if seen:
        caption += f" {'; '.join(sorted(seen, reverse=True))}."
    caption += told(
        [group for task in analysis.evidence.tasks for group in _groups(analysis, task).values()],
        [group for task in analysis.evidence.tasks for group in _drawn(analysis, task).values()],
    )
    return Section("runs", "Every run", (Figures(figures, caption),))


_LINES = {":": "Dotted: chance", "--": "Dashed: a network without mistakes"}


def _lines(analysis: Analysis, task: str) -> list[tuple[float, str]]:
    """Return where chance and perfect stand, and how they are drawn; those that the panel of the task shows."""
    result = analysis.evidence.of_task(task)
    low, high = _reach(_scores(analysis, task))
    return [(score, style) for score, style in ((result.chance, ":"), (result.perfect, "--")) if low <= score <= high]


def _scores(analysis: Analysis, task: str) -> list[float]:
    runs = [run for members in _groups(analysis, task).values() for run in members]
    return [run.scored[1] for run in runs if math.isfinite(run.scored[1])]


def _groups(analysis: Analysis, task: str) -> dict[str, tuple[EndedRun, ...]]:
    evidence = analysis.evidence
    return {label: evidence.chosen(task, label).runs for label in evidence.labels if (task, label) in evidence.settings}


def _drawn(analysis: Analysis, task: str) -> dict[str, list[EndedRun]]:
    groups = _groups(analysis, task)
    return {label: drawn_runs(runs, len(groups), lambda run: run.scored[1]) for label, runs in groups.items()}


def _panel(analysis: Analysis, task: str, looks: dict[str, Look], name: str) -> Figure:
    evidence = analysis.evidence
    result = evidence.of_task(task)
    groups, drawn_groups = _groups(analysis, task), _drawn(analysis, task)
    labels = list(groups)
    scores = _scores(analysis, task)

    def draw(axes: Axes) -> None:
        if spans_decades(scores):
            axes.set_xscale("log")
        axes.set_xlim(*_reach(scores))
        if axes.get_xscale() == "log":
            plain_ticks(axes.xaxis)
        for line, style in _lines(analysis, task):
            axes.axvline(line, color=GREY, linestyle=style, linewidth=1, zorder=1)
        for place, (label, runs) in enumerate(groups.items()):
            margin = 0.015 if result.higher_is_better else 0.985
            _row(axes, place, runs, drawn_groups[label], looks[label], margin)
        name_rows(axes, [shortened_label(label) for label in labels], [looks[label] for label in labels])
        axes.set_xlabel(f"test {shown_name(result)}")

    return drawn(f"runs-{name}", task, draw, height=0.95 + 0.4 * len(labels), left=left_margin(labels))


def _reach(scores: list[float]) -> tuple[float, float]:
    if spans_decades(scores):
        return min(scores) / 1.4, max(scores) * 1.4
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def _row(
    axes: Axes, place: int, runs: Sequence[EndedRun], drawn_ones: Sequence[EndedRun], look: Look, margin: float
) -> None:
    finished = [run.scored[1] for run in runs if math.isfinite(run.scored[1])]
    if len(finished) > 2:
        low, middle, high = np.quantile(finished, [0.25, 0.5, 0.75])
        box = ([low, high, high, low], [place - 0.26, place - 0.26, place + 0.26, place + 0.26])
        axes.fill(*box, facecolor=look.colour, alpha=0.13, linewidth=0, gid=hook(look))
        axes.plot([middle, middle], [place - 0.26, place + 0.26], color=look.colour, linewidth=2, gid=hook(look))
    for position, run in enumerate(drawn_ones):
        # spread over the height of the box, the same way each time
        height = place + 0.2 * (((position * 0.618034) % 1) * 2 - 1)
        score = run.scored[1]
        diverged = not math.isfinite(score)
        axes.plot(
            [margin if diverged else score],
            [height],
            "x" if diverged else look.marker,
            color=look.colour,
            markersize=6 if diverged else 4.5,
            markeredgewidth=1.6 if diverged else 0.5,
            markeredgecolor=look.colour if diverged else "white",
            gid=hook(look, run.number),
            # a run that diverged has no place on the axis: its cross stands at the worse end of the panel
            transform=axes.get_yaxis_transform() if diverged else axes.transData,
            clip_on=False,
            zorder=3,
        )
