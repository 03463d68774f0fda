"""Marginals of a search: the validation score over one key at a time, whatever the others were."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.collected import Setting
from gatelab.evidence.importance import logarithmic
from gatelab.evidence.scores import shown_name
from gatelab.evidence.varied import shortened
from gatelab.report.drawing.drawing import add_legend, drawn, hook, plain_ticks, spans_decades
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Figure, Figures
from gatelab.report.sections.searched_settings import is_number, settings_of

__all__ = ["marginals"]

_MARGINALS = (
    "Best validation score of each setting over one key at a time, whatever the other keys were; the line is the median"
    " of each value, or of each tenth of the settings where values hardly repeat. Settings with a diverged run are"
    " crosses"
    " at the margin."
)


def marginals(analysis: Analysis, tasks: Sequence[str], looks: dict[str, Look], names: Mapping[str, str]) -> Figures:
    """Return a panel for each task and key that numbers were tried of; ``names``: task -> its part of a file's name."""
    figures = [figure for task in tasks for figure in _panels(analysis, task, looks, names[task])]
    return Figures(tuple(figures), _MARGINALS)


def _panels(analysis: Analysis, task: str, looks: dict[str, Look], name: str) -> list[Figure]:
    evidence = analysis.evidence
    keys = evidence.searched[task]
    figures = []
    for place, key in enumerate(keys):
        values = {setting.values[key] for label in evidence.labels for setting in settings_of(analysis, task, label)
                  if is_number(setting.values[key])}  # fmt: skip
        if len(values) > 1:
            figures.append(_marginal(analysis, task, key, sorted(values), looks, f"marginal-{name}-{place}"))
    return figures


def _marginal(
    analysis: Analysis, task: str, key: str, values: Sequence[float], looks: dict[str, Look], name: str
) -> Figure:
    evidence = analysis.evidence
    result = evidence.of_task(task)

    def draw(axes: Axes) -> None:
        if logarithmic(values):
            axes.set_xscale("log")
        known = [
            setting.validation
            for label in evidence.labels
            for setting in settings_of(analysis, task, label)
            if not setting.diverged and math.isfinite(setting.validation)
        ]
        if known:
            # the middle of what was found decides what is shown: a few settings that blew up would flatten the rest
            low, high = _window(known, result.chance, higher_is_better=result.higher_is_better)
            axes.set_ylim(low, high)
            shown = [score for score in known if low <= score <= high]
            if not result.higher_is_better and spans_decades(shown):
                axes.set_yscale("log")
                axes.set_ylim(min(known) / 1.3, high)
                plain_ticks(axes.yaxis)
        for label in evidence.labels:
            settings = settings_of(analysis, task, label)
            _points(axes, settings, key, looks[label], label, higher_is_better=result.higher_is_better)
        if logarithmic(values):
            plain_ticks(axes.xaxis)
        axes.set_xlabel(shortened(key))
        axes.set_ylabel(f"validation {shown_name(result)}")
        add_legend(axes, looks)

    return drawn(name, f"{task}: {shortened(key)}", draw)


def _window(known: Sequence[float], chance: float, *, higher_is_better: bool) -> tuple[float, float]:
    best, worst = (max(known), min(known)) if higher_is_better else (min(known), max(known))
    limit = float(np.quantile(known, 0.1 if higher_is_better else 0.9))
    if math.isfinite(chance):
        limit = min(limit, chance) if higher_is_better else max(limit, chance)
    shown = max(worst, limit) if higher_is_better else min(worst, limit)
    margin = 0.06 * abs(best - shown) or 0.05
    return min(best, shown) - margin, max(best, shown) + margin


def _points(
    axes: Axes, settings: Sequence[Setting], key: str, look: Look, label: str, *, higher_is_better: bool
) -> None:
    x, y = [], []
    low, high = axes.get_ylim()
    worst = low if higher_is_better else high
    for setting in settings:
        value = setting.values[key]
        if not is_number(value):
            continue
        diverged = setting.diverged > 0 or not math.isfinite(setting.validation)
        score = worst if diverged else min(max(setting.validation, low), high)
        axes.plot(
            [value], [score], "x" if diverged else look.marker, color=look.colour, markersize=5 if diverged else 4,
            alpha=0.65, markeredgewidth=1.4 if diverged else 0, gid=hook(look, setting.runs[0].number), clip_on=False,
        )  # fmt: skip
        x.append(value)
        y.append(score)
    if len(set(x)) > 1:
        middle = _middle(np.array(x, dtype=np.float64), np.array(y))
        axes.plot(*middle, look.dash, color=look.colour, linewidth=1.6, gid=hook(look), label=label, zorder=3)


def _middle(x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the medians of each value, or of each tenth where values hardly repeat."""
    values = np.unique(x)
    if 3 * values.size <= x.size or values.size <= 5:
        groups = [y[x == value] for value in values]
        return values.tolist(), [float(np.median(group)) for group in groups]
    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, min(10, max(2, x.size // 3))) if part.size]
    return [float(np.median(x[part])) for part in parts], [float(np.median(y[part])) for part in parts]
