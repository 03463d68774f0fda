"""Across tasks: performance profiles, who beats whom, and ranks where there are tasks enough."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gatelab.evidence.analysis import Analysis, random
from gatelab.evidence.scores import by_seed, mean_by_seed, stand_in, worse
from gatelab.evidence.varied import own_name
from gatelab.report.drawing.drawing import INK, add_legend, drawn, hook, left_margin, shortened_label
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Absent, Block, Figure, Figures, MethodNote, Section, Text
from gatelab.report.sections.wording import p_value
from gatelab.statistics import (
    Profile,
    Ranks,
    Refusal,
    Sample,
    locate,
    normalise,
    performance_profile,
    probability_of_improvement,
    rank_variants,
    sample,
)

__all__ = ["across", "chances_to_beat"]

_THRESHOLDS = np.linspace(0, 1, 101)


def across(analysis: Analysis, looks: dict[str, Look]) -> Section | Absent:
    """Return the section, over the tasks that every variant has runs of."""
    title = "Across tasks"
    evidence = analysis.evidence
    labels = list(evidence.labels)
    tasks = [task for task in evidence.tasks if all((task, label) in evidence.settings for label in labels)]
    if len(labels) < 2:
        return Absent(title, "there is only one variant")
    forms = _forms(tasks)
    if len(forms) < 2:
        several = f", in {len(tasks)} forms" if len(tasks) > 1 else ""
        return Absent(
            title, f"it needs two tasks that every variant has runs of; there is {len(forms) or 'none'}{several}"
        )
    blocks: list[Block] = [Figures(tuple(_figures(analysis, labels, forms, looks)), _CAPTION)]
    methods = [_METHOD]
    ranks = rank_variants(
        labels,
        _ranked(analysis, labels, forms),
        higher_is_better=[False] * len(forms),
        alpha=evidence.question.alpha,
    )
    if isinstance(ranks, Refusal):
        blocks.append(Text.of(f"No ranks and no critical difference: {ranks.reason}.", kind="note"))
    else:
        blocks.append(Figures((_critical_difference(ranks, looks),), _ranks_words(ranks)))
        methods.append(_RANKS)
    return Section("across", title, tuple(blocks), tuple(methods))


def _forms(tasks: Sequence[str]) -> dict[str, list[str]]:
    """Return task -> its forms: lengths and other settings of one task are no tasks of their own."""
    forms: dict[str, list[str]] = {}
    for task in tasks:
        forms.setdefault(own_name(task), []).append(task)
    return forms


def _ranked(analysis: Analysis, labels: list[str], forms: Mapping[str, list[str]]) -> list[list[float]]:
    """Return the mean rank of each variant on each task, over the forms of the task: 1 is best, ties share a rank."""
    places = []
    for members in forms.values():
        ranks = [_ranks_of(analysis, labels, task) for task in members]
        places.append(np.mean(ranks, axis=0))
    return np.array(places).T.tolist()


def _ranks_of(analysis: Analysis, labels: list[str], task: str) -> list[float]:
    higher = analysis.evidence.of_task(task).higher_is_better
    # no median, such as of runs that all diverged, is the worst
    medians = [worse(_median(analysis, task, label), higher_is_better=higher) for label in labels]
    return [
        sum(other < median for other in medians) + (1 + sum(other == median for other in medians)) / 2
        for median in medians
    ]


_METHOD = MethodNote(
    "Performance profiles and probabilities of improvement follow \\citet{agarwal2021}.", ("agarwal2021",)
)
_RANKS = MethodNote(
    "Ranks over tasks are compared by Friedman's and Nemenyi's tests \\citep{demsar2006}.", ("demsar2006",)
)


_CAPTION = (
    "Left: the share of runs, averaged over tasks, that score at least as much as the height on the axis, with chance"
    " at 0 and perfect at 1; bands are 95 % bootstrap intervals, and a diverged run reaches no height. Right: the"
    " probability that a run of the row's variant beats a run of the column's, averaged over tasks; 0.50 is no"
    " difference. The forms of a task (its lengths, for one) count as one task."
)


def _figures(
    analysis: Analysis, labels: list[str], forms: Mapping[str, list[str]], looks: dict[str, Look]
) -> list[Figure]:
    known = [[task for task in members if _scale(analysis, task) is not None] for members in forms.values()]
    scaled = [members for members in known if members]
    profiles = {
        label: performance_profile(
            [_normalised(analysis, members, label) for members in scaled],
            _THRESHOLDS,
            generator=random("profile", place),
            resamples=2_000,
        )
        for place, label in enumerate(labels)
        if scaled
    }
    figures = [_profile_panel(profiles, looks)] if profiles else []
    return [*figures, _matrix(labels, chances_to_beat(analysis, labels, forms))]


def _scale(analysis: Analysis, task: str) -> tuple[float, float] | None:
    result = analysis.evidence.of_task(task)
    known = math.isfinite(result.chance) and math.isfinite(result.perfect) and result.chance != result.perfect
    return (result.chance, result.perfect) if known else None


def _normalised(analysis: Analysis, members: Sequence[str], label: str) -> Sample:
    """Return the scores of a variant in all forms of one task together, from chance (0) to perfect (1)."""
    found: list[float] = []
    for task in members:
        result = analysis.evidence.of_task(task)
        scores = mean_by_seed([run.scored for run in analysis.evidence.chosen(task, label).runs], None)
        found += normalise(list(scores.values()), chance=result.chance, perfect=result.perfect).tolist()
    return sample(found)


def _median(analysis: Analysis, task: str, label: str) -> float:
    return analysis.standings[task, label].location.median


def _profile_panel(profiles: dict[str, Profile], looks: dict[str, Look]) -> Figure:
    def draw(axes: Axes) -> None:
        for label, profile in profiles.items():
            look = looks[label]
            if profile.low is not None and profile.high is not None:
                axes.fill_between(
                    profile.thresholds,
                    profile.low,
                    profile.high,
                    color=look.colour,
                    alpha=0.1,
                    linewidth=0,
                    gid=hook(look),
                )
            axes.plot(
                profile.thresholds, profile.share, look.dash, color=look.colour, linewidth=1.8, label=label,
                gid=hook(look), marker=look.marker, markevery=20, markersize=4.5, drawstyle="steps-post",
            )  # fmt: skip
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("height: 0 is chance, 1 is perfect")
        axes.set_ylabel("share of runs at least as high")
        add_legend(axes, looks)

    return drawn("profile", "Performance profile", draw, height=3.4)


def chances_to_beat(analysis: Analysis, labels: Sequence[str], forms: Mapping[str, list[str]]) -> NDArray[np.float64]:
    """Return P(a run of the row's variant beats one of the column's), the mean over tasks of that over their forms."""
    chances = np.full((len(labels), len(labels)), np.nan)
    for row, column in combinations(range(len(labels)), 2):
        of_tasks = [
            _mean([_chance_to_beat(analysis, labels[row], labels[column], task) for task in members])
            for members in forms.values()
        ]
        chances[row, column] = _mean(of_tasks)
        chances[column, row] = 1 - chances[row, column]
    return chances


def _mean(values: Sequence[float]) -> float:
    """Return the mean of those that are known; NaN without one."""
    return locate([value for value in values if math.isfinite(value)]).mean


def _chance_to_beat(analysis: Analysis, one: str, other: str, task: str) -> float:
    """Return the chance on one task, where only these two say what a diverged run is worth; NaN where one has none."""
    results = [analysis.evidence.chosen(task, label).results for label in (one, other)]
    diverged_as = stand_in([*results[0], *results[1]], analysis.evidence.question.diverged)
    ours, theirs = (by_seed(found, diverged_as) for found in results)
    higher = analysis.evidence.of_task(task).higher_is_better
    # the estimate alone: the matrix shows no interval
    generator = random("matrix")
    return probability_of_improvement(
        [ours], [theirs], higher_is_better=higher, generator=generator, resamples=2
    ).estimate


def _matrix(labels: Sequence[str], chances: NDArray[np.float64]) -> Figure:
    def draw(axes: Axes) -> None:
        # blue and vermillion of the palette at the ends; in the middle the paper shows through, which may be dark
        from matplotlib.colors import LinearSegmentedColormap

        ends = [(0.0, "#D55E00FF"), (0.5, "#D55E0000"), (0.5, "#0072B200"), (1.0, "#0072B2FF")]
        colours = LinearSegmentedColormap.from_list("wins", ends)
        axes.grid(visible=False)
        # cells as shapes, not as a picture: they stay sharp, and a picture would be the only one on the page
        axes.pcolormesh(np.ma.masked_invalid(chances), cmap=colours, vmin=0, vmax=1, edgecolors="white", linewidth=1)
        for row in range(len(labels)):
            for column in range(len(labels)):
                value = chances[row, column]
                text = "–" if math.isnan(value) else f"{value:.2f}"
                strong = not math.isnan(value) and abs(value - 0.5) > 0.35
                axes.text(
                    column + 0.5, row + 0.5, text, ha="center", va="center", color="white" if strong else INK,
                    fontsize=9 if len(labels) <= 8 else 7,
                )  # fmt: skip
        places = np.arange(len(labels)) + 0.5
        axes.set_yticks(places, [shortened_label(label) for label in labels])
        axes.set_xticks(places, [shortened_label(label) for label in labels], rotation=35, ha="right")
        axes.tick_params(length=0)
        axes.invert_yaxis()
        axes.spines[["left", "bottom"]].set_visible(False)

    bottom = 0.25 + 0.05 * max(len(shortened_label(label)) for label in labels)
    height = 0.4 + bottom + 0.33 * len(labels)
    return drawn(
        "wins", "P(row beats column)", draw, height=max(2.2, height), left=left_margin(labels), bottom=bottom + 0.1
    )


def _critical_difference(ranks: Ranks, looks: dict[str, Look]) -> Figure:
    order = sorted(range(len(ranks.variants)), key=lambda index: (ranks.average[index], ranks.variants[index]))
    names = [ranks.variants[index] for index in order]

    def draw(axes: Axes) -> None:
        for place, index in enumerate(order):
            look = looks[ranks.variants[index]]
            axes.plot([ranks.average[index]], [place], look.marker, color=look.colour, markersize=7, gid=hook(look))
        for number, group in enumerate(ranks.groups):
            places = [names.index(name) for name in group]
            averages = [ranks.average[order[place]] for place in places]
            x = max(ranks.average) + 0.25 + 0.18 * number
            axes.plot([x, x], [min(places) - 0.2, max(places) + 0.2], color=INK, linewidth=3, solid_capstyle="butt")
            axes.plot([min(averages), max(averages)], [max(places) + 0.35] * 2, color="none")
        axes.set_yticks(range(len(names)), [shortened_label(name) for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("average rank over tasks (1 is best)")

    return drawn("ranks", "Ranks", draw, height=0.95 + 0.36 * len(names), left=left_margin(names))


def _ranks_words(ranks: Ranks) -> str:
    words = (
        f"Average rank of the median test score over {ranks.n} tasks; the forms of a task are one."
        f" Friedman's test: p = {p_value(ranks.friedman_p)}"
    )
    if ranks.friedman_p >= ranks.alpha:
        return f"{words}, so that no two variants are told apart by their ranks."
    distance = f"Nemenyi's critical difference of {ranks.critical_difference:.2f} ranks"
    return f"{words}. Variants joined by a bar are within {distance}."
