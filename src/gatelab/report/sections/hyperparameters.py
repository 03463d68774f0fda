"""What the search found: importance, marginals, the best tenth, edges of the range, commands to paste."""

import math
from collections.abc import Sequence

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.importance import FEWEST_FOR_TENTH, FEWEST_TRIALS, Importance, importances, logarithmic
from gatelab.evidence.train_command import train_command
from gatelab.evidence.varied import shortened
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.best_tenth import BEST_TENTH, best_tenths
from gatelab.report.sections.marginals import marginals
from gatelab.report.sections.parts import Absent, Block, Code, MethodNote, Section, Tabular, Text
from gatelab.report.sections.searched_settings import by_validation, is_number, settings_of
from gatelab.report.sections.wording import counted, file_names, number, rounded
from gatelab.report.tables import Column, Table, significant
from gatelab.statistics import diverged_score

__all__ = ["edges", "hyperparameters"]

_BEST = 3  # configurations shown of each variant and task
_EDGE = 0.02  # of the searched range, on the scale of the search


def hyperparameters(analysis: Analysis, looks: dict[str, Look]) -> Section | Absent:
    """Return the section."""
    title = "Hyperparameters"
    evidence = analysis.evidence
    if not evidence.search:
        return Absent(title, "every variant has one setting")
    tasks = [
        task for task in evidence.tasks if any(len(settings_of(analysis, task, label)) > 1 for label in evidence.labels)
    ]
    names = file_names(evidence.tasks)
    flags = edges(analysis)
    blocks: list[Block] = [Text(tuple(flags), "flag")] if flags else []
    blocks.append(_importance(analysis, tasks))
    blocks.append(marginals(analysis, tasks, looks, names))
    tenths = best_tenths(analysis, tasks, looks, names)
    blocks += tenths
    blocks.append(Tabular("best-settings", _BEST_TABLE, _best_table(analysis, tasks)))
    blocks += _commands(analysis)
    shown = any(isinstance(block, Tabular) and block.name == "importance" for block in blocks)
    methods = (*([_IMPORTANCE] if shown else []), *([BEST_TENTH] if tenths else []))
    return Section("hyperparameters", title, tuple(blocks), methods)


_IMPORTANCE = MethodNote(
    "Hyperparameter importance is that of PED-ANOVA \\citep{watanabe2023} on the best tenth of settings and of fANOVA"
    " \\citep{hutter2014}, both as in Optuna \\citep{akiba2019}.",
    ("watanabe2023", "hutter2014", "akiba2019"),
)


_BEST_TABLE = "The best settings by validation. The test score of the best is what this page reports."


def edges(analysis: Analysis) -> list[str]:
    """Return a sentence for each number that was chosen at the edge of its searched range."""
    found = []
    for task, label in analysis.evidence.cells():
        settings = settings_of(analysis, task, label)
        for key, chosen in settings[0].values.items():
            tried = sorted({setting.values[key] for setting in settings if is_number(setting.values[key])})
            if len(tried) < 3 or not is_number(chosen):
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
            settings = settings_of(analysis, task, label)
            scores = [setting.validation for setting in settings]
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
                    "ped_anova_of_nothing": each.ped_anova_of_nothing,
                    "fanova": each.fanova,
                    "fanova_of_nothing": each.fanova_of_nothing,
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
        Column("shuffled copies, up to", ("ped_anova_of_nothing",), _share, "right"),
        Column("fANOVA, whole range", ("fanova",), _share, "right"),
        Column("shuffled copies, up to", ("fanova_of_nothing",), _share, "right"),
        Column("settings tried", ("trials",), align="right"),
    ]
    caption = (
        "How much each key mattered, as a share of all, by Optuna's two evaluators: for getting into the best tenth"
        f" (PED-ANOVA, from {FEWEST_FOR_TENTH} settings on), and for the score over the whole range (fANOVA), where"
        " many bad settings can hide what matters among the good. Beside each: the most that a shuffled copy of a key"
        " got, with such a copy of each key added to the search. A share no larger than that says nothing; a larger one"
        " may still be chance, because twice as many keys divide the same whole. A setting counts by its mean over"
        " seeds, diverged runs as everywhere on the page."
    )
    return Tabular("importance", caption, Table(columns, rows))


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


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
            chosen = analysis.evidence.chosen(task, label) if settings_of(analysis, task, label) else None
            for rank, setting in enumerate(by_validation(analysis, task, label)[:_BEST], start=1):
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


_FRESH = 10  # seeds of a final comparison


def _commands(analysis: Analysis) -> list[Block]:
    """Return the commands of a final comparison: the chosen settings, at seeds that no run of the task has had."""
    evidence = analysis.evidence
    lines = []
    for task in evidence.tasks:
        labels = [label for label in evidence.labels if (task, label) in evidence.settings]
        settings = [each for label in labels for each in evidence.settings[task, label]]
        enough = all(len(evidence.chosen(task, label).fresh) >= _FRESH for label in labels)
        if enough or len(settings) == len(labels):
            continue
        first = 1 + max(run.result.seed for each in settings for run in each.runs)
        for label in labels:  # the baseline too, whatever was tried of it: pairs have one seed
            configuration = evidence.configurations.get(evidence.chosen(task, label).runs[0].result.identity)
            if configuration is not None:
                command = train_command(configuration, range(first, first + _FRESH), evidence.place)
                lines.append(f"# {label} on {task}\n{command}")
    if not lines:
        return []
    title = f"Train the best {counted(len(lines), 'setting')} of {evidence.place} with {_FRESH} fresh seeds"
    return [Code(title, "\n".join(lines))]
