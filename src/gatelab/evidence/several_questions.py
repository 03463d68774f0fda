"""Whether stored runs answer several questions: budgets, widths and sizes of tasks that were not searched together."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gatelab.evidence.choosing import Tried, settings_tried
from gatelab.evidence.selection import Selection
from gatelab.evidence.varied import is_budget, own_name, value_text

__all__ = ["SeveralQuestions", "several_questions"]

_FEW = 3  # values of a budget up to which they are taken as questions, and not as a search


@dataclass(frozen=True, slots=True)
class SeveralQuestions:
    """One key whose values are several questions."""

    key: str
    runs: Counter[str]
    """Value -> runs."""
    common: list[str]
    """The values that all variants were trained with."""

    def line(self, command: str) -> str:
        """Return what is so, and the command of one question; ``command`` is what asked, of a shell or of Python."""
        told = " and ".join(f"{value} in {_runs(count)}" for value, count in sorted(self.runs.items(), key=_order))
        alone = "no value was tried of all variants"
        if self.common:
            best = max(self.common, key=lambda value: (self.runs[value], value))
            alone = f"one of them alone: {_filtered(command, self.key, best)}"
        return f"these runs ask several questions: {self.key} is {told}; {alone}"


def several_questions(selection: Selection) -> list[SeveralQuestions]:
    """Return the keys whose values are several questions."""
    return [*_tasks(selection), *_budgets(selection)]


def _tasks(selection: Selection) -> list[SeveralQuestions]:
    """Return the sizes of tasks that stand on the page as tasks of their own."""
    counts: dict[str, Counter[str]] = {}
    labels: dict[tuple[str, str], set[str]] = {}
    everyone = {result.label for result in selection.results}
    names = Counter(own_name(task) for task in {result.task for result in selection.results})
    for result in selection.results:
        if names[own_name(result.task)] < 2:
            continue
        for word in result.task.split(" ")[1:]:
            key, _, value = word.partition("=")
            if f"task.{key}" in result.settings:
                counts.setdefault(f"task.{key}", Counter())[value] += 1
                labels.setdefault((f"task.{key}", value), set()).add(result.label)
    return [
        SeveralQuestions(key, values, [value for value in values if labels[key, value] == everyone])
        for key, values in counts.items()
        if len(values) > 1
    ]


def _budgets(selection: Selection) -> list[SeveralQuestions]:
    settings = settings_tried(selection)
    found = []
    for key in sorted({key for keys in selection.searched.values() for key in keys}):
        runs: Counter[str] = Counter()
        enough: set[str] | None = None
        alike = True
        for task in selection.searched:
            tried = [_values(each, key) for (name, _), each in settings.items() if name == task]
            if any(key not in each.values for (name, _), of in settings.items() if name == task for each in of):
                continue
            for values in tried:
                runs.update(values)
            common = set.intersection(*map(set, tried))
            enough = common if enough is None else enough & common
            alike = alike and all(set(values) == set(tried[0]) for values in tried)
        if is_budget(key) and len(runs) > 1 and (not alike or len(runs) <= _FEW):
            found.append(SeveralQuestions(key, runs, sorted(enough or ())))
    return found


def _values(settings: Sequence[Tried], key: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for each in settings:
        if key in each.values:
            counts[value_text(each.values[key])] += len(each.results)
    return counts


def _filtered(command: str, key: str, value: str) -> str:
    if not command.startswith("gatelab.compare("):
        return f"{command} {shlex.quote(f'where={key}={value}')}"
    condition = f"{key!r}: {value!r}"
    if ", where={" in command:  # of which Python takes one
        return command.replace(", where={", f", where={{{condition}, ", 1)
    return f"{command.removesuffix(')')}, where={{{condition}}})"


def _order(item: tuple[str, int]) -> tuple[bool, float, str]:
    try:
        return False, float(item[0]), item[0]
    except ValueError:
        return True, 0.0, item[0]


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
