"""What the search found: importance, marginals, the best tenth, edges of the range, commands to paste."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from gatelab.reports.analysis import Analysis
from gatelab.reports.command import train_command
from gatelab.reports.evidence import Run, Setting
from gatelab.reports.importance import FEWEST_TRIALS, Importance, importances, logarithmic
from gatelab.reports.page.drawing import drawn, hook, left_margin, plain_ticks, shortened_label, spans_decades
from gatelab.reports.page.looks import Look
from gatelab.reports.page.parts import Absent, Block, Code, Figure, Figures, Section, Tabular, Text
from gatelab.reports.page.wording import counted, file_names, number, p_value, rounded
from gatelab.reports.scores import shown_name, worse
from gatelab.reports.settings import shortened
from gatelab.reports.tables import Column, Table, significant
from gatelab.statistics import Significance, diverged_score, holm, locate, sample, welch_test

__all__ = ["best_tenth", "best_tenth_table", "edges", "hyperparameters"]

_SHARE = 0.1
_BEST = 3  # configurations shown of each variant and task
_EDGE = 0.02  # of the searched range, on the scale of the search


def hyperparameters(analysis: Analysis, looks: dict[str, Look]) -> Section | Absent:
    """Return the section."""
    title = "Hyperparameters"
    evidence = analysis.evidence
    if not evidence.search:
        return Absent(title, "every variant has one setting")
    tasks = [task for task in evidence.tasks if any(len(_of(analysis, task, label)) > 1 for label in evidence.labels)]
    names = file_names(evidence.tasks)
    flags = edges(analysis)
    blocks: list[Block] = [Text(tuple(flags), "flag")] if flags else []
    blocks.append(_importance(analysis, tasks))
    marginals = [figure for task in tasks for figure in _marginals(analysis, task, looks, names[task])]
    blocks.append(Figures(tuple(marginals), _MARGINALS))
    tenths = tuple(_tenth_panel(analysis, task, looks, names[task]) for task in tasks if _tenths(analysis, task))
    if tenths:
        blocks += [Figures(tenths, _TENTH), Tabular("best-tenth", _TENTH_TABLE, best_tenth_table(analysis, tasks))]
    blocks.append(Tabular("best-settings", _BEST_TABLE, _best_table(analysis, tasks)))
    blocks += _commands(analysis)
    return Section("hyperparameters", title, tuple(blocks))


_MARGINALS = (
    "Best validation score of each setting over one key at a time, whatever the other keys were; the line is the median"
    " of each value, or of each tenth of the settings where values hardly repeat. Settings with a diverged run are"
    " crosses"
    " at the margin."
)
_TENTH = (
    "Test scores of the runs in each variant's best tenth of settings by validation, as Greff et al. (2017) show them."
    " Filled: differs from the baseline by Welch's test, corrected by Holm over the variants of the task."
)
_TENTH_TABLE = (
    "The best tenth of settings of each variant: which runs of a search a careful user would have ended with."
)
_BEST_TABLE = "The best settings by validation. The test score of the best is what this page reports."


def _of(analysis: Analysis, task: str, label: str) -> tuple[Setting, ...]:
    return analysis.evidence.settings.get((task, label), ())


def _by_validation(analysis: Analysis, task: str, label: str) -> list[Setting]:
    """Return the settings, the best first, those with a diverged run last; a number of seeds plays no part here."""
    higher = analysis.evidence.of_task(task).higher_is_better
    return sorted(
        _of(analysis, task, label),
        key=lambda setting: (
            setting.diverged > 0,
            worse(setting.validation, higher_is_better=higher),
            setting.text,
        ),
    )


def edges(analysis: Analysis) -> list[str]:
    """Return a sentence for each number that was chosen at the edge of its searched range."""
    found = []
    for task, label in analysis.evidence.cells():
        settings = _of(analysis, task, label)
        for key, chosen in settings[0].values.items():
            tried = sorted({setting.values[key] for setting in settings if _number(setting.values[key])})
            if len(tried) < 3 or not _number(chosen):
                continue
            place = _place(chosen, tried)
            if min(place, 1 - place) <= _EDGE:
                side = "low" if place < 0.5 else "high"
                span = f"{number(tried[0])} to {number(tried[-1])}"
                found.append(
                    f"{label} on {task}: the best {shortened(key)} = {number(chosen)} lies at the {side} edge of "
                    f"what was tried ({span}); a better one may lie beyond."
                )
    return found


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _place(value: float, tried: Sequence[float]) -> float:
    """Return where a value lies between the lowest and the highest that were tried, in 0..1."""
    if logarithmic(tried):
        return math.log(value / tried[0]) / math.log(tried[-1] / tried[0])
    return (value - tried[0]) / (tried[-1] - tried[0])


def _importance(analysis: Analysis, tasks: Sequence[str]) -> Block:
    evidence = analysis.evidence
    rows: list[dict[str, object]] = []
    for task in tasks:
        result = evidence.of_task(task)
        for label in evidence.labels:
            settings = _of(analysis, task, label)
            scores = [math.nan if setting.diverged else setting.validation for setting in settings]
            worst = diverged_score("worst", scores, higher_is_better=result.higher_is_better, chance=result.chance)
            filled = [score if math.isfinite(score) else worst for score in scores]
            if worst is None:
                continue
            found: list[Importance] = importances(
                [setting.values for setting in settings],
                [score for score in filled if score is not None],
                higher_is_better=result.higher_is_better,
            )
            rows += [
                {
                    "task": task,
                    "variant": label,
                    "setting": shortened(each.key),
                    "ped_anova": each.ped_anova,
                    "fanova": each.fanova,
                    "trials": len(settings),
                }
                for each in found
            ]
    if not rows:
        return Text.of(
            f"Importance is not told: it needs {FEWEST_TRIALS} settings of a variant, and scores that differ.",
            kind="note",
        )
    columns = [
        Column("task", ("task",)),
        Column("variant", ("variant",)),
        Column("setting", ("setting",)),
        Column("PED-ANOVA, best tenth", ("ped_anova",), _share, "right"),
        Column("fANOVA, whole range", ("fanova",), _share, "right"),
        Column("settings tried", ("trials",), align="right"),
    ]
    caption = (
        "How much each key mattered, as a share of all: for getting into the best tenth (PED-ANOVA), and for the score"
        " over"
        " the whole range (fANOVA), where many bad settings can hide what matters among the good. Settings with a"
        " diverged"
        " run count as the worst."
    )
    return Tabular("importance", caption, Table(columns, rows))


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def _marginals(analysis: Analysis, task: str, looks: dict[str, Look], name: str) -> list[Figure]:
    evidence = analysis.evidence
    keys = evidence.searched[task]
    figures = []
    for place, key in enumerate(keys):
        values = {setting.values[key] for label in evidence.labels for setting in _of(analysis, task, label)
                  if _number(setting.values[key])}  # fmt: skip
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
            for setting in _of(analysis, task, label)
            if not setting.diverged and math.isfinite(setting.validation)
        ]
        if known:
            # the middle of what was found decides what is shown: a few settings that blew up would flatten the rest
            low, high = _window(known, result.chance, higher_is_better=result.higher_is_better)
            axes.set_ylim(low, high)
            if spans_decades(known):
                axes.set_yscale("log")
                axes.set_ylim(min(known) / 1.3, high)
                plain_ticks(axes.yaxis)
        for label in evidence.labels:
            _points(
                axes, _of(analysis, task, label), key, looks[label], label, higher_is_better=result.higher_is_better
            )
        if logarithmic(values):
            plain_ticks(axes.xaxis)
        axes.set_xlabel(shortened(key))
        axes.set_ylabel(f"validation {shown_name(result)}")
        handles, labels = axes.get_legend_handles_labels()
        if 0 < len(labels) <= 8:
            for text in axes.legend(handles, labels, handlelength=1.4, labelspacing=0.25).get_texts():
                text.set_gid(hook(looks[text.get_text()]))

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
        if not _number(value):
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


def best_tenth(analysis: Analysis, task: str, label: str) -> list[Run]:
    """Return the runs of the best tenth of a variant's settings by validation (at least one setting)."""
    settings = _by_validation(analysis, task, label)
    kept = settings[: max(1, round(_SHARE * len(settings)))]
    return [run for setting in kept for run in setting.runs]


def _tenths(analysis: Analysis, task: str) -> dict[str, list[Run]]:
    """Return label -> runs of its best tenth, of the variants that were searched widely enough to have one."""
    labels = [label for label in analysis.evidence.labels if len(_of(analysis, task, label)) >= FEWEST_TRIALS]
    return {label: best_tenth(analysis, task, label) for label in labels}


def _welch(analysis: Analysis, task: str) -> dict[str, tuple[Significance, float]]:
    """Return label -> test of its best tenth against the baseline's, and p corrected over the variants of the task."""
    tenths, baseline = _tenths(analysis, task), analysis.evidence.question.baseline
    if baseline not in tenths:
        return {}
    higher = analysis.evidence.of_task(task).higher_is_better
    stand_in = analysis.diverged_as(task)
    samples = {label: sample([run.scored[1] for run in runs], diverged_as=stand_in) for label, runs in tenths.items()}
    tests = {
        label: welch_test(scores, samples[baseline], higher_is_better=higher)
        for label, scores in samples.items()
        if label != baseline
    }
    family = holm([test.p for test in tests.values()], family=f"best tenths against {baseline} on {task}")
    return {label: (test, p) for (label, test), p in zip(tests.items(), family.adjusted, strict=True)}


def _tenth_panel(analysis: Analysis, task: str, looks: dict[str, Look], name: str) -> Figure:
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
        axes.set_yticks(range(len(tenths)), [shortened_label(label) for label in tenths])
        for tick, label in zip(axes.get_yticklabels(), tenths, strict=True):
            tick.set_gid(hook(looks[label]))
        axes.set_ylim(len(tenths) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
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
                "settings": len(_of(analysis, task, label)),
                "runs": len(runs),
                "median": locate(scores).median,
                "best": (max if higher else min)(scores, default=math.nan),
                "worst": (min if higher else max)(scores, default=math.nan),
                "p": p,
                "different": p is not None and p < analysis.evidence.question.alpha,
            }
            rows.append(row)
    return Table(columns, rows)


def _best_table(analysis: Analysis, tasks: Sequence[str]) -> Table:
    columns = [
        Column("task", ("task",)),
        Column("variant", ("variant",)),
        Column("rank", ("rank",), align="right"),
        Column("setting", ("setting",), rounded),
        Column("seeds", ("seeds",), align="right"),
        Column("diverged", ("diverged",), align="right"),
        Column("validation, mean", ("validation",), significant, "right"),
        Column("reported", ("reported",)),
    ]
    rows = []
    for task in tasks:
        for label in analysis.evidence.labels:
            chosen = analysis.evidence.chosen(task, label) if _of(analysis, task, label) else None
            for rank, setting in enumerate(_by_validation(analysis, task, label)[:_BEST], start=1):
                row = {
                    "task": task,
                    "variant": label,
                    "rank": rank,
                    "setting": setting.text,
                    "seeds": len(setting.runs),
                    "diverged": setting.diverged,
                    "validation": setting.validation,
                    "reported": "yes" if setting is chosen else "",
                }
                rows.append(row)
    return Table(columns, rows)


def _commands(analysis: Analysis) -> list[Block]:
    """Return the commands that train the chosen setting of each variant again, with the seeds that it had or ten."""
    evidence = analysis.evidence
    lines = []
    for task, label in evidence.cells():
        configuration = evidence.configurations.get(evidence.chosen(task, label).runs[0].result.identity)
        if configuration is not None and len(_of(analysis, task, label)) > 1:
            seeds = sorted({run.result.seed for run in evidence.chosen(task, label).runs})
            enough = seeds if len(seeds) >= 10 else list(range(seeds[0], seeds[0] + 10))
            lines.append(f"# {label} on {task}\n{train_command(configuration, enough)}")
    if not lines:
        return []
    return [Code(f"Train the best {counted(len(lines), 'setting')} with ten seeds or more", "\n".join(lines))]
