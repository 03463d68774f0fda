"""Marginals of a search: the validation score over one key at a time, whatever the others were."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.path import Path

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

_MOST_VALUES = 10

_MARGINALS = (
    "Validation score of each setting over one key at a time, whatever the other keys were: the mean over its seeds,"
    " diverged runs as everywhere on the page. The line is the median of each value, or of each tenth of the settings"
    f" where there are more than {_MOST_VALUES} values; it counts every setting at its true score."
)
_CROSSES = " A cross is a setting with a diverged run; without a score it stands at the margin."
_ARROWS = " Arrows are settings whose score lies beyond the axis."


@dataclass(frozen=True, slots=True)
class _Scale:
    """What the vertical axis of a task's panels shows."""

    low: float
    high: float
    logarithmic: bool
    higher_is_better: bool

    def beyond(self, score: float) -> bool:
        """Whether a score lies outside of the axis."""
        return math.isfinite(score) and not self.low <= score <= self.high


def marginals(analysis: Analysis, tasks: Sequence[str], looks: dict[str, Look], names: Mapping[str, str]) -> Figures:
    """Return a panel for each task and key that numbers were tried of; ``names``: task -> its part of a file's name."""
    scales = {task: _scale(analysis, task) for task in tasks}
    figures = [figure for task in tasks for figure in _panels(analysis, task, scales[task], looks, names[task])]
    caption = _MARGINALS
    shown = [(scales[task], setting) for task in tasks for setting in _tried(analysis, task)]
    caption += _CROSSES * any(setting.diverged > 0 for _, setting in shown)
    caption += _ARROWS * any(scale.beyond(setting.validation) for scale, setting in shown)
    return Figures(tuple(figures), caption)


def _tried(analysis: Analysis, task: str) -> list[Setting]:
    return [setting for label in analysis.evidence.labels for setting in settings_of(analysis, task, label)]


def _scale(analysis: Analysis, task: str) -> _Scale:
    """Return the axis: the middle of what was found decides, for a few settings that blew up would flatten the rest."""
    result = analysis.evidence.of_task(task)
    higher = result.higher_is_better
    known = [score for setting in _tried(analysis, task) if math.isfinite(score := setting.validation)]
    if not known:
        return _Scale(0, 1, logarithmic=False, higher_is_better=higher)
    low, high = _window(known, result.chance, higher_is_better=higher)
    if not higher and spans_decades([score for score in known if low <= score <= high]):
        return _Scale(min(known) / 1.3, high, logarithmic=True, higher_is_better=higher)
    return _Scale(low, high, logarithmic=False, higher_is_better=higher)


def _panels(analysis: Analysis, task: str, scale: _Scale, looks: dict[str, Look], name: str) -> list[Figure]:
    figures = []
    for place, key in enumerate(analysis.evidence.searched[task]):
        values = {setting.values[key] for setting in _tried(analysis, task) if is_number(setting.values[key])}
        if len(values) > 1:
            figures.append(_marginal(analysis, task, key, sorted(values), scale, looks, f"marginal-{name}-{place}"))
    return figures


def _marginal(
    analysis: Analysis,
    task: str,
    key: str,
    values: Sequence[float],
    scale: _Scale,
    looks: dict[str, Look],
    name: str,
) -> Figure:
    evidence = analysis.evidence

    def draw(axes: Axes) -> None:
        if logarithmic(values):
            axes.set_xscale("log")
        if scale.logarithmic:
            axes.set_yscale("log")
        axes.set_ylim(scale.low, scale.high)
        if scale.logarithmic:
            plain_ticks(axes.yaxis)
        for label in evidence.labels:
            settings = [each for each in settings_of(analysis, task, label) if is_number(each.values[key])]
            for setting in settings:
                _mark(axes, setting, setting.values[key], looks[label], scale)
            _median(axes, settings, key, looks[label], label)
        if logarithmic(values):
            plain_ticks(axes.xaxis)
        axes.set_xlabel(shortened(key))
        axes.set_ylabel(f"validation {shown_name(evidence.of_task(task))}")
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


def _arrow(up: float) -> Path:
    """Return an arrow that points up (1) or down (-1)."""
    points = [(0, -up), (0, up), (-0.55, 0.35 * up), (0, up), (0.55, 0.35 * up)]
    return Path(points, [Path.MOVETO, Path.LINETO, Path.MOVETO, Path.LINETO, Path.LINETO])


def _mark(axes: Axes, setting: Setting, value: float, look: Look, scale: _Scale) -> None:
    """Draw one setting: its marker at its score, a cross if a run of it diverged, an arrow where the axis ends."""
    score, known = setting.validation, math.isfinite(setting.validation)
    lined: dict[str, Any] = {"markersize": 5, "markeredgewidth": 1.4}
    style: dict[str, Any] = {"marker": look.marker, "markersize": 4, "markeredgewidth": 0}
    if scale.beyond(score):
        style = {"marker": _arrow(1 if score > scale.high else -1), "markersize": 8, "markeredgewidth": 1.2}
    elif setting.diverged or not known:
        style = {"marker": "x", **lined}
    inside = known and not scale.beyond(score)
    # what has no place on the axis stands at that end of the panel where it lies
    above = score > scale.high if known else not scale.higher_is_better
    axes.plot(
        [value], [score if inside else 0.97 if above else 0.03], linestyle="none", color=look.colour, alpha=0.65,
        transform=axes.transData if inside else axes.get_xaxis_transform(), clip_on=False,
        gid=hook(look, setting.runs[0].number), **style,
    )  # fmt: skip


def _median(axes: Axes, settings: Sequence[Setting], key: str, look: Look, label: str) -> None:
    scored = [setting for setting in settings if math.isfinite(setting.validation)]
    x = np.array([setting.values[key] for setting in scored], dtype=np.float64)
    if np.unique(x).size < 2:
        return
    line = axes.plot(*_middle(x, np.array([setting.validation for setting in scored])), look.dash, zorder=3)[0]
    line.set(color=look.colour, linewidth=1.6, gid=hook(look), label=label)
    # for the legend alone: along the line a marker would look like a setting
    line.set(marker=look.marker, markersize=4, markevery=[])


def _middle(x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the medians of each value, or of each tenth where there are many values."""
    values = np.unique(x)
    if values.size <= _MOST_VALUES:
        groups = [y[x == value] for value in values]
        return values.tolist(), [float(np.median(group)) for group in groups]
    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, min(10, max(2, x.size // 3))) if part.size]
    return [float(np.median(x[part])) for part in parts], [float(np.median(y[part])) for part in parts]
