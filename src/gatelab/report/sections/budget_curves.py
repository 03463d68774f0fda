"""Budget curves: what the best of n trials of a search is worth, the same n for all variants."""

import numpy as np
from matplotlib.axes import Axes

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.scores import shown_name
from gatelab.report.drawing.drawing import add_legend, drawn, hook, plain_ticks, spans_decades
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Absent, Figure, Figures, MethodNote, Section, Text
from gatelab.report.sections.wording import file_names, listed
from gatelab.statistics import BudgetCurve, diverged_score, expected_best

__all__ = ["FEWEST_TRIALS", "budget", "budget_curves"]

FEWEST_TRIALS = 4


def budget(analysis: Analysis, looks: dict[str, Look]) -> Section | Absent:
    """Return the section, with one panel for each task on which variants were searched."""
    title = "Best of n trials"
    evidence = analysis.evidence
    found = {task: curves for task in evidence.tasks if (curves := budget_curves(analysis, task))}
    if not found:
        return Absent(title, f"no variant has {FEWEST_TRIALS} settings or more to choose from")
    names = file_names(evidence.tasks)
    figures = tuple(_panel(analysis, task, curves, looks, names[task]) for task, curves in found.items())
    caption = (
        "Expected best validation score after n trials, for the same n of every variant and at most half of the trials"
        " of the one with the fewest. Solid: trials drawn with replacement (Dodge et al. 2019), which is pessimistic"
        " and steady; dotted: without (Tang et al. 2020), which is unbiased and noisy."
    )
    missing = [
        f"{label} on {task}" for task in found for label in evidence.labels if label not in found[task]
    ]  # fmt: skip
    told = [Text.of(f"Too few trials: {listed(missing)}.", kind="note")] if missing else []
    return Section("budget", title, (Figures(figures, caption), *told), (_METHOD,))


_METHOD = MethodNote(
    "Expected best-of-n curves follow \\citet{dodge2019} and \\citet{tang2020}.", ("dodge2019", "tang2020")
)


def budget_curves(analysis: Analysis, task: str) -> dict[str, BudgetCurve]:
    """Return label -> curve of the variants with enough trials: settings, each scored by the mean of its seeds."""
    evidence = analysis.evidence
    result = evidence.of_task(task)
    trials = {
        label: [setting.validation for setting in evidence.settings[task, label]]
        for label in evidence.labels
        if len(evidence.settings.get((task, label), ())) >= FEWEST_TRIALS
    }
    higher, policy = result.higher_is_better, evidence.question.diverged
    return {
        label: expected_best(
            scores,
            higher_is_better=higher,
            diverged_as=diverged_score(policy, scores, higher_is_better=higher, chance=result.chance),
        )
        for label, scores in trials.items()
    }


def _panel(analysis: Analysis, task: str, curves: dict[str, BudgetCurve], looks: dict[str, Look], name: str) -> Figure:
    most = max(1, min(curve.recommended for curve in curves.values()))

    def draw(axes: Axes) -> None:
        for label, curve in curves.items():
            look, trials = looks[label], curve.trials[:most]
            axes.plot(trials, curve.unbiased[:most], ":", color=look.colour, linewidth=1.2, gid=hook(look))
            axes.plot(
                trials, curve.biased[:most], "-", color=look.colour, linewidth=1.8, gid=hook(look), marker=look.marker,
                markevery=max(1, most // 6), markersize=4.5, label=f"{label} ({curve.n})",
            )  # fmt: skip
        scores = [score for curve in curves.values() for score in (*curve.biased[:most], *curve.unbiased[:most])]
        if not analysis.evidence.of_task(task).higher_is_better and spans_decades(scores):
            axes.set_yscale("log")
            plain_ticks(axes.yaxis)
        axes.set_xlabel("trials n")
        axes.set_ylabel(f"validation {shown_name(analysis.evidence.of_task(task))}")
        axes.set_xticks(np.unique(np.linspace(1, most, min(most, 6)).round()))
        add_legend(axes, {f"{label} ({curve.n})": looks[label] for label, curve in curves.items()}, "variant (trials)")

    return drawn(f"budget-{name}", task, draw)
