"""The fairness table: what was held equal between the variants, and every deviation."""

from collections.abc import Callable, Iterator

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.collected import EndedRun
from gatelab.evidence.held_equal import KeyUse, key_uses
from gatelab.evidence.varied import shortened, value_text
from gatelab.keys import kind_of
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Section, Tabular
from gatelab.report.sections.wording import counted, listed
from gatelab.report.tables import Column, Table

__all__ = ["fairness", "fairness_table"]

_TOLERANCE = 0.02  # of parameters
_LISTED = 6  # values of a key that are shown one by one
_KINDS = (("data and their order", "data"), ("stopping rule", "stopping"), ("other settings", None))


def fairness(analysis: Analysis, looks: dict[str, Look]) -> Section:  # noqa: ARG001 - as every section
    """Return the section."""
    caption = (
        "What a difference between variants could come from beside the gates. The same seed and batch size give the"
        " same"
        " sequences in the same order; the test split is looked at once a run, at the step that validation chose."
    )
    return Section("fairness", "Fairness", (Tabular("fairness", caption, fairness_table(analysis)),))


def fairness_table(analysis: Analysis) -> Table:
    """Return a row for each check and answer to it: whether it holds, on which tasks, and what deviates."""
    columns = [
        Column("held equal", ("check",)),
        Column("", ("held",), lambda held: "yes" if held else "NO", strong="deviates"),
        Column("on", ("tasks",)),
        Column("in detail", ("detail",)),
    ]
    evidence = analysis.evidence
    tasks = evidence.tasks
    found: dict[str, dict[tuple[bool, str], list[str]]] = {}
    for task in tasks:
        for check, answer in _checks(analysis, task):
            found.setdefault(check, {}).setdefault(answer, []).append(task)
    rows = [
        {
            "check": check,
            "held": held,
            "tasks": "all tasks" if len(members) == len(tasks) > 1 else listed(members),
            "detail": detail,
            "deviates": not held,
        }
        for check, answers in found.items()
        for (held, detail), members in answers.items()
    ]
    return Table(columns, rows)


def _checks(analysis: Analysis, task: str) -> Iterator[tuple[str, tuple[bool, str]]]:
    evidence = analysis.evidence
    labels = [label for label in evidence.labels if (task, label) in evidence.settings]
    chosen = {label: evidence.chosen(task, label).runs for label in labels}
    yield "parameters, within 2 %", _parameters(chosen)
    yield "seeds", _same(labels, lambda label: _seeds(chosen[label]))
    yield (
        "settings tried",
        _same(labels, lambda label: counted(len(evidence.settings[task, label]), "setting")),
    )
    uses = key_uses(evidence, task, labels)
    for check, kind in _KINDS:
        yield check, _held([use for use in uses if kind_of(use.key) == kind], kind)
    yield "path of computation", _same(labels, lambda label: listed(sorted({run.result.path for run in chosen[label]})))


def _parameters(chosen: dict[str, tuple[EndedRun, ...]]) -> tuple[bool, str]:
    sizes = {label: runs[0].result.parameters for label, runs in chosen.items()}
    low, high = min(sizes.values()), max(sizes.values())
    held = high - low <= _TOLERANCE * low
    shown = f"{low}" if low == high else f"{low} ({_named(sizes, low)}) to {high} ({_named(sizes, high)})"
    return held, shown


def _named(sizes: dict[str, int], size: int) -> str:
    return listed(label for label, own in sizes.items() if own == size)


def _seeds(runs: tuple[EndedRun, ...]) -> str:
    seeds = sorted({run.result.seed for run in runs})
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return listed(map(str, seeds))


def _same(labels: list[str], told: Callable[[str], str]) -> tuple[bool, str]:
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(told(label), []).append(label)
    if len(groups) == 1:
        return True, next(iter(groups))
    return False, "; ".join(f"{text}: {listed(members)}" for text, members in groups.items())


def _held(uses: list[KeyUse], kind: str | None) -> tuple[bool, str]:
    # runs that read other batches do not read the same data in the same order, whoever chose the size
    unequal = [use for use in uses if not use.alike or (kind == "data" and use.differs)]
    if unequal:
        return False, "; ".join(_unequal(use) for use in unequal)
    return True, f"chosen by validation: {listed(shortened(use.key) for use in uses)}" if uses else "the same for all"


def _unequal(use: KeyUse) -> str:
    combined = "" if use.combined else " (in other combinations with other keys)"
    return f"{shortened(use.key)}: {', '.join(f'{label} {_choice(use, label)}' for label in use.chosen)}{combined}"


def _choice(use: KeyUse, label: str) -> str:
    tried = use.tried[label]
    if len(tried) == 1:
        return use.chosen_text(label)
    if len(tried) > _LISTED:
        return f"{use.chosen_text(label)} of {len(tried)} from {value_text(tried[0])} to {value_text(tried[-1])}"
    return f"{use.chosen_text(label)} of {listed(map(value_text, tried))}"
