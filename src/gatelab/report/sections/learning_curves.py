"""Learning curves over steps and over time, and how fast each variant learns."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.collected import EndedRun
from gatelab.evidence.failing import nearer_to_chance
from gatelab.evidence.scores import shown_name
from gatelab.report.drawing.drawing import add_legend, drawn, hook, plain_ticks, spans_decades
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Absent, Figure, Figures, MethodNote, Section, Tabular
from gatelab.report.sections.thinning import drawn_runs, told
from gatelab.report.sections.wording import file_names
from gatelab.report.tables import Column, Table, significant
from gatelab.statistics import area_under_curve, locate, survive, time_to_threshold

__all__ = ["curves", "median_curve", "speed_table", "thinned"]

_POINTS = 60_000  # of all thin lines of a page together
_FEWEST, _MOST = 24, 160  # of one line; a panel is about 400 pixels wide


def curves(analysis: Analysis, looks: dict[str, Look]) -> Section | Absent:
    """Return the section: panels over steps, the same over seconds, and a table."""
    title = "Learning curves"
    evidence = analysis.evidence
    shown = {task: _shown(analysis, task) for task in evidence.tasks}
    lines = {task: _thin_lines(groups) for task, groups in shown.items()}
    runs = sum(len(members) for groups in lines.values() for members in groups.values())
    if not runs:
        return Absent(title, "no run has a validation in its history")
    most = min(_MOST, max(_FEWEST, _POINTS // (2 * runs)))
    names = file_names(evidence.tasks)
    figures = tuple(
        _panel(analysis, task, groups, lines[task], looks, names[task], most, view)
        for view in ("steps", "seconds")
        for task, groups in shown.items()
        if groups
    )
    caption = (
        "Validation score. Thick: the median over seeds, of which one that has ended counts with its last score; band:"
        " the middle half; thin: each seed. A cross is where a run diverged, after which it counts no more. Seconds are"
        " a run's share of its stack's wall time, spread evenly over its steps."
    )
    caption += told(
        [members for groups in shown.values() for members in groups.values()],
        [members for groups in lines.values() for members in groups.values()],
    )
    speed = (
        "How fast it is learnt: the mean height of the validation curve, up to the last step of the longest run of the"
        " task (a curve that ends before goes on with its last score), and the steps until validation first reaches"
        f" {_threshold_words(analysis)}. A run that never does, because it gave up (patience) or diverged, waits until"
        " the most steps that any run of the task was allowed; one that was not allowed so many is not followed further"
        " (Kaplan–Meier)."
    )
    blocks = (Figures(figures, caption), Tabular("learning-speed", speed, speed_table(analysis)))
    return Section("curves", title, blocks, (_METHOD,))


_METHOD = MethodNote("Times to a threshold are Kaplan--Meier medians \\citep{kaplan1958}.", ("kaplan1958",))


def thinned(count: int, most: int) -> NDArray[np.int64]:
    """Return which of ``count`` points to draw: at most ``most``, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def speed_table(analysis: Analysis) -> Table:
    """Return a row for each task and variant: area under the curve, and time to a threshold with censored runs."""
    columns = [
        Column("task", ("task",)),
        Column("variant", ("variant",)),
        Column("mean height, mean over runs", ("height",), significant, "right"),
        Column("threshold", ("threshold", "threshold_kind"), _told_threshold, "right"),
        Column("median steps to it", ("median",), _steps, "right"),
        Column("never reached it", ("never", "runs"), lambda never, runs: f"{never} of {runs}", "right"),
    ]
    ends = {task: _last_step(analysis, task) for task in analysis.evidence.tasks}
    rows = []
    for task, label in analysis.evidence.cells():
        runs = analysis.evidence.chosen(task, label).runs
        higher = analysis.evidence.of_task(task).higher_is_better
        threshold, kind = _threshold(analysis, task)
        until = ends[task]
        heights = [area_under_curve(run.curve.steps, run.curve.scores, until=until) for run in runs if run.curve.steps]
        reached = [
            time_to_threshold(run.curve.steps, run.curve.scores, threshold, higher_is_better=higher) for run in runs
        ]
        account = survive(reached, *_followed(runs, _horizon(analysis, task)))
        row = {
            "task": task,
            "variant": label,
            "height": locate(heights).mean,
            "threshold": threshold,
            "threshold_kind": kind,
            "median": account.median,
            "never": sum(not math.isfinite(step) for step in reached),
            "runs": len(runs),
        }
        rows.append(row)
    return Table(columns, rows)


def _horizon(analysis: Analysis, task: str) -> float:
    """Return the most steps that any run of a task that is shown was allowed, or took."""
    evidence = analysis.evidence
    shown = [run for label in evidence.labels if (task, label) in evidence.settings
             for run in evidence.chosen(task, label).runs]  # fmt: skip
    return float(max(max(run.result.steps, _allowed(run)) for run in shown))


def _allowed(run: EndedRun) -> int:
    return int(run.result.settings.get("training.max_steps", run.result.steps))


def _followed(runs: Sequence[EndedRun], horizon: float) -> tuple[list[float], list[bool], float]:
    """Return until which step each run was followed, which runs never come to it, and the horizon of all."""
    hopeless = [not run.finished or _gave_up(run) for run in runs]
    return [float(run.result.steps) for run in runs], hopeless, horizon


def _gave_up(run: EndedRun) -> bool:
    """Whether a run ended before its last step, and not for the score that it was to reach."""
    aim = run.result.settings.get("training.stop_at")
    higher = run.result.higher_is_better
    reached = isinstance(aim, int | float) and any(
        score >= aim if higher else score <= aim for score in run.curve.scores
    )
    return run.result.steps < _allowed(run) and not reached


def _last_step(analysis: Analysis, task: str) -> float:
    """Return the last validated step of all runs that are shown of a task; NaN where there is none."""
    return max((run.curve.steps[-1] for runs in _shown(analysis, task).values() for run in runs), default=math.nan)


_HALF_WAY = "half of the way from chance to perfect"


def _threshold_words(analysis: Analysis) -> str:
    baseline = analysis.evidence.question.baseline
    if baseline is None:
        return _HALF_WAY
    return f"the median best validation of {baseline} (where that is nearer to chance than to perfect: {_HALF_WAY})"


def _threshold(analysis: Analysis, task: str) -> tuple[float, str]:
    """Return the score to reach, and what it is."""
    evidence = analysis.evidence
    baseline = evidence.question.baseline
    result = evidence.of_task(task)
    half_way = (result.chance + result.perfect) / 2
    if baseline is None or (task, baseline) not in evidence.settings:
        return half_way, _HALF_WAY
    median = locate([run.judged for run in evidence.chosen(task, baseline).runs]).median
    # who reaches what one that has learnt nothing reaches has learnt nothing either
    if math.isnan(median) or nearer_to_chance(median, result):
        return half_way, _HALF_WAY
    return median, f"median of {baseline}"


def _told_threshold(threshold: float, kind: str) -> str:
    return f"{significant(threshold)} ({'half-way' if kind == _HALF_WAY else kind})"


def _steps(step: float) -> str:
    return "not seen" if math.isinf(step) else f"{step:.0f}"


def _shown(analysis: Analysis, task: str) -> dict[str, list[EndedRun]]:
    evidence = analysis.evidence
    groups = {
        label: [run for run in evidence.chosen(task, label).runs if run.curve.steps]
        for label in evidence.labels
        if (task, label) in evidence.settings
    }
    return {label: runs for label, runs in groups.items() if runs}


def _thin_lines(groups: dict[str, list[EndedRun]]) -> dict[str, list[EndedRun]]:
    return {label: drawn_runs(runs, len(groups), lambda run: run.curve.scores[-1]) for label, runs in groups.items()}


def _panel(
    analysis: Analysis,
    task: str,
    groups: dict[str, list[EndedRun]],
    lines: dict[str, list[EndedRun]],
    looks: dict[str, Look],
    name: str,
    most: int,
    view: str,
) -> Figure:
    result = analysis.evidence.of_task(task)

    def draw(axes: Axes) -> None:
        for label, runs in lines.items():
            _lines(axes, runs, looks[label], most, view)
        for label, runs in groups.items():
            _middle(axes, runs, looks[label], label, view)
        scores = [score for runs in groups.values() for run in runs for score in run.curve.scores]
        # a share of what is right is told apart at its upper end, an error at its lower one
        if not result.higher_is_better and spans_decades(scores):
            axes.set_yscale("log")
            plain_ticks(axes.yaxis)
        axes.set_xlabel(view)
        axes.set_ylabel(f"validation {shown_name(result)}")
        axes.margins(x=0.02)
        add_legend(axes, looks)

    # numbers of steps are long, and the last of them is at the end of the axis
    return drawn(f"curves-{name}-{view}", task, draw, right=0.24, view=view)


def _lines(axes: Axes, runs: Sequence[EndedRun], look: Look, most: int, view: str) -> None:
    for run in runs:
        kept = thinned(len(run.curve.steps), most)
        x = np.array(run.curve.steps, dtype=np.float64)[kept] * _scale(run, view)
        y = np.array(run.curve.scores)[kept]
        axes.plot(x, y, look.dash, color=look.colour, linewidth=0.7, alpha=0.3, gid=hook(look, run.number), zorder=2)
        if not run.finished:
            end = (run.result.diverged_at or run.curve.steps[-1]) * _scale(run, view)
            last = y[np.isfinite(y)]
            if last.size:
                axes.plot([end], [last[-1]], "x", color=look.colour, markersize=7, gid=hook(look, run.number), zorder=5)


def median_curve(runs: Sequence[EndedRun]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the median curve of runs with its band.

    A run that ended before the others counts with its last score: runs end early because they have learnt the task, and
    without them the median would be one of those that have not. A diverged run counts up to its last validation, and
    the curve ends where less than half of the runs count.

    Returns:
        Steps, shape (points,), and the quartiles of the scores, shape (3, points).
    """
    steps = sorted({step for run in runs for step in run.curve.steps})
    scores = np.full((len(runs), len(steps)), np.nan)
    places = {step: place for place, step in enumerate(steps)}
    for row, run in zip(scores, runs, strict=True):
        row[[places[step] for step in run.curve.steps]] = run.curve.scores
        if run.finished:
            row[places[run.curve.steps[-1]] :] = run.curve.scores[-1]
    scores[~np.isfinite(scores)] = np.nan
    known = np.isfinite(scores).sum(axis=0)
    enough = np.flatnonzero(2 * known >= len(runs))
    enough = enough[thinned(enough.size, _MOST)]
    quartiles = np.quantile if np.isfinite(scores[:, enough]).all() else np.nanquantile  # which is much slower
    return np.array(steps, dtype=np.float64)[enough], quartiles(scores[:, enough], [0.25, 0.5, 0.75], axis=0)


def _middle(axes: Axes, runs: Sequence[EndedRun], look: Look, label: str, view: str) -> None:
    steps, (low, middle, high) = median_curve(runs)
    if not steps.size:
        return
    x = steps * float(np.median([_scale(run, view) for run in runs]))
    if len(runs) > 2:
        axes.fill_between(x, low, high, color=look.colour, alpha=0.12, linewidth=0, gid=hook(look), zorder=3)
    axes.plot(
        x, middle, look.dash, color=look.colour, linewidth=2, label=label, gid=hook(look), zorder=4,
        marker=look.marker, markevery=thinned(x.size, 6).tolist(), markersize=4.5,
    )  # fmt: skip


def _scale(run: EndedRun, view: str) -> float:
    return run.result.seconds / max(1, run.result.steps) if view == "seconds" else 1.0
