"""Results sorted as a question asks: which task and variant each belongs to, and which settings were searched."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gatelab.errors import UserError, suggest
from gatelab.evidence.question import Question
from gatelab.evidence.varied import owner_of, setting_text, value_text, varied_keys
from gatelab.evidence.versions import ToldApart
from gatelab.keys import value_of
from gatelab.store import Result

__all__ = ["Selection", "select"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Results of a store, named for one question. Computed once; tables, evidence and page read it."""

    question: Question
    results: tuple[Result, ...]
    """By task, label, seed and identity; settings that tell them apart are part of their names: ``adding length=200``.
    """
    varied: Mapping[str, tuple[str, ...]]
    """Task -> the keys, in alphabetical order, that differ among its runs."""
    searched: Mapping[str, tuple[str, ...]]
    """Task -> those of ``varied`` that tell neither tasks nor variants apart."""
    settings: Mapping[str, str]
    """Identity -> the searched settings, such as ``optimizer.lr=0.01``; mostly empty."""
    versions: tuple[str, ...] = ()
    """Notes on the choice of the results, and a line for each version of a variant: in what it differs from the one
    before, and which one is the baseline."""
    kept: dict[str, Any] = field(init=False, default_factory=dict, compare=False, repr=False)
    """What is computed from all of it, for whoever asks next."""


def select(results: Sequence[Result] | ToldApart, question: Question | None = None) -> Selection:
    """Return the results as a question names them; without one, every varied setting counts as searched.

    A baseline whose name several versions share is the newest of them.

    Raises:
        UserError: a key of ``question.by`` or ``question.apart`` is no setting or in both; a baseline has no runs.
    """
    question = question or Question()
    told = results if isinstance(results, ToldApart) else ToldApart(tuple(results))
    results = told.results
    _check_keys(question, results)
    varied = varied_keys(results)
    by = [key for key in question.by if key != "task"]
    named = {task: [key for key in keys if key.startswith("task.") or key in by] for task, keys in varied.items()}
    differing = {key for keys in varied.values() for key in keys}
    apart = [key for key in question.apart if key in differing]
    found = [_named(result, named[result.task], apart) for result in results]
    question, lines = _meant(question, told, sorted({result.label for result in found}))
    if any(named.values()):  # tasks have become several, in each of which less differs
        varied = varied_keys(found)
    searched = {task: tuple(_searched(keys, question, task, found)) for task, keys in varied.items()}
    ordered = sorted(found, key=lambda result: (result.task, result.label, result.seed, result.identity))
    return Selection(question, tuple(ordered), varied, searched, _settings(ordered, searched), lines)


def _searched(keys: Sequence[str], question: Question, task: str, results: Sequence[Result]) -> Iterator[str]:
    """Yield the keys that tell neither tasks nor variants apart."""
    named = (*question.by, *question.apart)
    for key in keys:
        if key.startswith("task.") or key in named:
            continue
        owner = owner_of(key, named)
        # an option of an opening is told with its name, unless it was varied under that name
        if owner is None or _varied_under(owner, key, [each.settings for each in results if each.task == task]):
            yield key


def _varied_under(owner: str, key: str, settings: Sequence[Mapping[str, Any]]) -> bool:
    values: dict[str, set[str]] = {}
    for each in settings:
        values.setdefault(value_text(value_of(each, owner)), set()).add(value_text(value_of(each, key)))
    return any(len(under) > 1 for under in values.values())


def _meant(question: Question, told: ToldApart, labels: Sequence[str]) -> tuple[Question, tuple[str, ...]]:
    """Return the question with the baseline that is meant, and what is to be said of versions."""
    lines = told.lines()
    if question.baseline is not None:
        meant = told.named(question.baseline, labels)
        if meant != question.baseline:
            lines.append(f"baseline={question.baseline} is the newest of its versions here, {meant}")
            question = replace(question, baseline=meant)
    _check_baseline(question, labels)
    return question, tuple(lines)


def _settings(results: Sequence[Result], searched: Mapping[str, Sequence[str]]) -> dict[str, str]:
    # a store gives all runs of equal settings the same object
    different = {(result.task, id(result.settings)): result.settings for result in results}
    texts = {key: setting_text(settings, searched[key[0]]) for key, settings in different.items()}
    return {result.identity: texts[result.task, id(result.settings)] for result in results}


def _named(result: Result, by: Sequence[str], apart: Sequence[str]) -> Result:
    if not by and not apart:
        return result
    task = [setting_text(result.settings, [key], without="task.") for key in by]
    label = [setting_text(result.settings, [key]) for key in apart]
    return replace(result, task=" ".join([result.task, *task]), label=" ".join([result.label, *label]))


def _check_keys(question: Question, results: Sequence[Result]) -> None:
    known = sorted({key for result in results for key in result.settings})
    for key in question.by:
        if key not in (*known, "task"):
            near = suggest(key, [*known, "task"])
            raise UserError(f"by={key}: no such setting{near}; allowed are task and settings of the runs")
    for key in question.apart:
        if key not in known:
            raise UserError(f"apart={key}: no such setting{suggest(key, known)}; allowed are settings of the runs")
        if key.startswith("task.") or key in question.by:
            raise UserError(
                f"apart={key}: makes a comparison of its own already, so that it cannot tell variants apart"
            )


def _check_baseline(question: Question, labels: Collection[str]) -> None:
    if question.baseline is not None and question.baseline not in labels:
        near = suggest(question.baseline, labels)
        raise UserError(f"unknown baseline '{question.baseline}'{near}; known are {', '.join(sorted(labels))}")
