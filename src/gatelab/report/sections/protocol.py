"""The protocol of the runs in words: tasks, networks, optimisation, selection and versions, each value once."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.held_equal import key_uses
from gatelab.evidence.varied import own_name, value_text
from gatelab.report.sections.wording import listed, number

__all__ = ["protocol"]

_SECTIONS = (
    ("The networks", ("model",)),
    ("Gates start from the opening", ("opening",)),
    ("The optimiser", ("optimizer",)),
    ("The learning rate's schedule", ("schedule",)),
    ("Training", ("training",)),
)
_NAMES = ("name", "_target_", "kind")  # keys whose value stands for itself


def protocol(analysis: Analysis) -> list[str]:
    """Return the sentences, from the stored settings of what is reported."""
    evidence = analysis.evidence
    cells = {cell: evidence.chosen(*cell).runs[0].result.settings for cell in evidence.cells()}
    sentences = [_task(analysis, task) for task in evidence.tasks]
    for words, sections in _SECTIONS:
        keys = [key for key in dict.fromkeys(key for each in cells.values() for key in each)
                if key.partition(".")[0] in sections]  # fmt: skip
        told = [text for key in keys if (text := _key(analysis, key, cells))]
        if told:
            sentences.append(f"{words}: {', '.join(told)}.")
    return [*sentences, *_versions(analysis)]


def _task(analysis: Analysis, task: str) -> str:
    result = analysis.evidence.of_task(task)
    sizes = [f"{_words(key)} {_value(value)}" for key, value in result.settings.items()
             if key.startswith("task.") and key != "task.name" and value is not None]  # fmt: skip
    ends = [f"{name} {number(value)}" for name, value in (("chance", result.chance), ("perfect", result.perfect))
            if math.isfinite(value)]  # fmt: skip
    details = f" ({', '.join(sizes)})" if sizes else ""
    return f"The task {_latex(own_name(task))}{details} is scored by {_latex(result.score_name)}, {listed(ends)}."


def _key(analysis: Analysis, key: str, cells: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    values: dict[str, list[tuple[str, str]]] = {}
    for cell, settings in cells.items():
        if settings.get(key) is not None:
            values.setdefault(_value(settings[key]), []).append(cell)
    if not values:
        return ""
    name = "" if key.rpartition(".")[2] in _NAMES else f"{_words(key)} "
    chosen = _tried(analysis, key)
    if len(values) == 1 and sum(map(len, values.values())) == len(cells):
        return f"{name}{next(iter(values))}{chosen}"
    several = len(analysis.evidence.tasks) > 1
    told = [f"{value} ({_cells(members, tasks=several)})" for value, members in values.items()]
    return f"{name}{listed(told)}{chosen}"


def _tried(analysis: Analysis, key: str) -> str:
    """Say among which values a key was chosen, if all variants had the same on all tasks."""
    evidence = analysis.evidence
    tried = {
        tuple(map(value_text, values))
        for task in evidence.tasks
        for use in key_uses(evidence, task, [label for label in evidence.labels if (task, label) in evidence.settings])
        if use.key == key and use.searched
        for values in use.tried.values()
    }
    if len(tried) != 1:
        return " chosen among different values" if tried else ""
    (values,) = tried
    shown = listed(values) if len(values) <= 6 else f"{len(values)} values from {values[0]} to {values[-1]}"
    return f" chosen among {shown}"


def _cells(cells: Sequence[tuple[str, str]], *, tasks: bool) -> str:
    labels: dict[str, list[str]] = {}
    for task, label in cells:
        labels.setdefault(label, []).append(task)
    if not tasks:
        return listed(map(_latex, labels))
    return listed(f"{_latex(label)} on {listed(map(_latex, on))}" for label, on in labels.items())


def _versions(analysis: Analysis) -> list[str]:
    known = analysis.evidence.provenance
    told = [
        f"{package} {listed(sorted(known.versions[package]))}"
        for package in ("gatelab", "torch")
        if known.versions.get(package)
    ]
    device = f" on {listed(sorted(known.devices))}" if known.devices else ""
    return [f"Runs were trained with {listed(told)}{device}."] if told else []


def _words(key: str) -> str:
    return key.rpartition(".")[2].replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = number(value) if isinstance(value, int | float) else value_text(value)
    return _latex(text.removeprefix("torch.optim."))


def _latex(text: str) -> str:
    return text.replace("_", r"\_")
