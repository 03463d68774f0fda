"""The forest plot: the gain of each variant over the baseline with its interval, task by task."""

import math

from matplotlib.axes import Axes

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.paired_comparison import PairedComparison
from gatelab.evidence.scores import shown_name
from gatelab.report.drawing.drawing import GREY, INK, drawn, hook, left_margin, name_rows, shortened_label
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Absent, Figure, Figures, Section
from gatelab.report.sections.wording import file_names

__all__ = ["forest"]


def forest(analysis: Analysis, looks: dict[str, Look]) -> Section | Absent:
    """Return the section, with one panel for each task that has comparisons."""
    title = "Gains over the baseline"
    by_task: dict[str, list[PairedComparison]] = {}
    for (task, _), comparison in analysis.comparisons.items():
        if comparison.n:
            by_task.setdefault(task, []).append(comparison)
    if not by_task:
        return Absent(title, "no variant has a common seed with a baseline at which both have a score")
    names = file_names(analysis.evidence.tasks)
    figures = tuple(_panel(analysis, task, members, looks, names[task]) for task, members in by_task.items())
    small = analysis.evidence.question.small
    caption = (
        f"Median difference to {analysis.evidence.question.baseline} at the same seed with its exact 95 % interval"
        f" (none below six pairs); right of the line is better. Filled: better or worse, as the verdict says;"
        f" hollow: neither."
        f" Grey band: gains below {100 * small:g} % of the way from chance to perfect, too small to matter."
        " Small dots: the pairs."
    )
    return Section("gains", title, (Figures(figures, caption),))


def _panel(analysis: Analysis, task: str, members: list[PairedComparison], looks: dict[str, Look], name: str) -> Figure:
    labels = [member.label for member in members]

    def draw(axes: Axes) -> None:
        width = analysis.band(task).width
        if math.isfinite(width):
            axes.axvspan(-width, width, color="#ececec", linewidth=0, zorder=0)
        axes.axvline(0, color=GREY, linewidth=1, zorder=1)
        for place, member in enumerate(members):
            _row(axes, place, member, looks[member.label])
        name_rows(axes, [shortened_label(label) for label in labels], [looks[label] for label in labels])
        axes.set_xlabel(f"gain, {shown_name(analysis.evidence.of_task(task))[:-2]} (right: better)")

    height = 0.95 + 0.36 * len(members)
    return drawn(f"gains-{name}", task, draw, height=height, left=left_margin(labels))


def _row(axes: Axes, place: int, member: PairedComparison, look: Look) -> None:
    gains = member.pairs.differences.values
    axes.plot(
        gains, [place + 0.27] * len(gains), ".", color=look.colour, alpha=0.4, markersize=3.5, gid=hook(look), zorder=2
    )
    interval = member.typical
    if not interval.degenerate:
        axes.plot(
            [interval.low, interval.high], [place, place], color=look.colour, linewidth=2, gid=hook(look), zorder=3,
            solid_capstyle="butt",
        )  # fmt: skip
    axes.plot(
        [interval.estimate],
        [place],
        look.marker,
        markersize=7,
        markeredgewidth=1.4,
        markeredgecolor=look.colour,
        markerfacecolor=look.colour if member.decided else "white",
        gid=hook(look),
        zorder=4,
    )
    if not math.isfinite(interval.estimate):
        axes.text(0, place, "no pair", color=INK)
