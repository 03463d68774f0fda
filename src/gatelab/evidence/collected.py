"""Everything that the comparison page is made of, read from a store once: results, histories, failures, provenance."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from gatelab.evidence.choosing import Compared, settings_tried, to_compare
from gatelab.evidence.origins import Conditions, Provenance, conditions_of, provenance_of, read_origins
from gatelab.evidence.question import Question
from gatelab.evidence.scores import scored
from gatelab.evidence.selection import Selection, select
from gatelab.evidence.varied import own_name
from gatelab.evidence.versions import ToldApart, Version, told_apart
from gatelab.probes.records import Gate, gates_of
from gatelab.store import Damaged, DamagedRunError, Failure, Result, Store

__all__ = [
    "Curve",
    "EndedRun",
    "Evidence",
    "Setting",
    "read_evidence",
]


@dataclass(frozen=True, slots=True)
class Curve:
    """The validation scores of a run over its steps."""

    steps: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has come to its end."""

    number: int
    """Its place in ``Evidence.runs``."""
    result: Result
    """``task`` is told apart by the settings that are asked for."""
    setting: str
    """The searched settings, such as ``optimizer.lr=0.01``; empty if none was."""
    curve: Curve
    gates: Mapping[str, Gate]
    """Over validation data, at the step that validation chose."""
    scored: tuple[int, float]
    """Seed and test score; NaN for a run that diverged."""

    @property
    def finished(self) -> bool:
        """Whether it came to its last step."""
        return self.result.status == "finished"

    @property
    def judged(self) -> float:
        """Best validation score; NaN for a run that diverged, whatever it had reached before."""
        return self.result.validation.score if self.finished else math.nan


@dataclass(frozen=True, slots=True)
class Setting:
    """The runs of one variant on one task that differ in nothing but their seed."""

    text: str
    """Of the searched settings; empty if nothing was searched."""
    values: Mapping[str, Any]
    """Searched key -> value."""
    runs: tuple[EndedRun, ...]
    validation: float
    """Mean over seeds of the best validation scores, diverged runs as the question says; NaN without one."""
    fresh: frozenset[int] = frozenset()
    """Of the setting that is reported: its seeds that took no part in choosing it."""

    @property
    def results(self) -> list[Result]:
        """The results of the runs."""
        return [run.result for run in self.runs]

    @property
    def diverged(self) -> int:
        """How many of the runs diverged."""
        return sum(not run.finished for run in self.runs)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a store says, for one question. Tasks are in alphabetical order, variants too, after the baseline."""

    selection: Selection
    runs: tuple[EndedRun, ...]
    tasks: tuple[str, ...]
    labels: tuple[str, ...]
    settings: Mapping[tuple[str, str], tuple[Setting, ...]]
    """Task and label -> its settings, the one that validation chose first."""
    failed: tuple[Failure, ...]
    unfinished: tuple[str, ...]
    """Identities of runs that were begun and neither ended nor failed."""
    damaged: tuple[Damaged, ...]
    """Runs that had ended and are left out, for a file of theirs is not what was written; of any task."""
    place: str
    """The folder of the runs."""
    provenance: Provenance
    configurations: Mapping[str, Mapping[str, Any]]
    """Identity -> frozen configuration, of the first run of each chosen setting."""
    versions: tuple[Version, ...] = ()
    """Of variants that have a label in common."""
    conditions: Mapping[str, Conditions] = field(default_factory=dict)
    """Identity -> what its times depend on beside the equations."""

    @property
    def question(self) -> Question:
        """What is asked."""
        return self.selection.question

    @property
    def searched(self) -> Mapping[str, tuple[str, ...]]:
        """Task -> the keys that were searched."""
        return self.selection.searched

    def cells(self) -> list[tuple[str, str]]:
        """Return every task and label that has runs, in order."""
        return [(task, label) for task in self.tasks for label in self.labels if (task, label) in self.settings]

    def chosen(self, task: str, label: str) -> Setting:
        """Return the setting of a variant that validation chose."""
        return self.settings[task, label][0]

    def versions_of(self, name: str) -> list[str]:
        """Return the labels of the versions of a variant, the newest last; none if it has but one."""
        return [version.label for version in self.versions if version.shared == name]

    def to_compare(self, task: str, label: str, baseline: str) -> Compared:
        """Return the results of two variants that are compared on a task: of fresh seeds alone, where these suffice."""
        ours, theirs = self.chosen(task, label), self.chosen(task, baseline)
        return to_compare(ours.results, ours.fresh, theirs.results, theirs.fresh)

    def of_task(self, task: str) -> Result:
        """Return a result of the task, for what all of them have in common: name and direction of the score."""
        return next(self.chosen(task, label).runs[0].result for label in self.labels if (task, label) in self.settings)

    @property
    def search(self) -> bool:
        """Whether any variant has several settings to choose from."""
        return any(len(settings) > 1 for settings in self.settings.values())


def read_evidence(store: Store, question: Question, results: Sequence[Result] | ToldApart) -> Evidence:
    """Read everything about the given results of a store, whose variants are told apart if they are not yet.

    A run whose history or configuration turns out to be damaged is left out.

    Raises UserError for a key of ``question.by`` or ``question.apart`` that is no setting, and for a baseline without
    runs.
    """
    told = results if isinstance(results, ToldApart) else told_apart(store, results)
    while True:
        left = [result for result in told.results if result.identity not in store.damaged]
        evidence = _read_evidence(store, select(told.of(left), question), told.versions)
        # what is found only now has taken part in choices
        if not any(result.identity in store.damaged for result in left):
            return evidence


def _read_evidence(store: Store, selection: Selection, versions: tuple[Version, ...]) -> Evidence:
    runs = tuple(_runs(selection, store))
    selection = replace(selection, results=tuple(run.result for run in runs))
    baseline = selection.question.baseline
    labels = sorted({run.result.label for run in runs}, key=lambda label: (label != baseline, label))
    settings = _settings(runs, selection)
    failed, unfinished = _without_result(store, {result.task for result in selection.results})
    chosen = [of_variant[0].runs[0].result.identity for of_variant in settings.values()]
    origins = read_origins(store, [run.result.identity for run in runs])
    return Evidence(
        selection=selection,
        runs=runs,
        tasks=tuple(sorted({run.result.task for run in runs})),
        labels=tuple(labels),
        settings=settings,
        failed=failed,
        unfinished=unfinished,
        damaged=tuple(store.damaged[identity] for identity in sorted(store.damaged)),
        place=str(store.runs_dir),
        provenance=provenance_of(origins.values()),
        conditions=conditions_of(store, [run.result for run in runs], origins),
        configurations=_configurations(store, chosen),
        versions=versions,
    )


def _runs(selection: Selection, store: Store) -> Iterator[EndedRun]:
    number = 0
    for result in selection.results:
        with suppress(DamagedRunError):  # the store notes it
            yield _run(number, result, selection.settings[result.identity], store)
            number += 1


def _run(number: int, result: Result, setting: str, store: Store) -> EndedRun:
    found = store.validated(result.identity, result.best_step)
    curve = Curve(found.steps, found.scores)
    return EndedRun(number, result, setting, curve, gates_of(found.row), scored(result))


def _settings(runs: Sequence[EndedRun], selection: Selection) -> dict[tuple[str, str], tuple[Setting, ...]]:
    by_identity = {run.result.identity: run for run in runs}
    return {
        cell: tuple(
            Setting(
                text=each.text,
                values=each.values,
                runs=tuple(by_identity[result.identity] for result in each.results),
                validation=each.validation,
                fresh=each.fresh,
            )
            for each in settings
        )
        for cell, settings in settings_tried(selection).items()
    }


def _without_result(store: Store, tasks: set[str]) -> tuple[tuple[Failure, ...], tuple[str, ...]]:
    plain = set(map(own_name, tasks))
    begun = store.unfinished()
    told = {identity: failure for identity, failure in store.failures(begun).items() if failure.task}
    failed = [failure for failure in told.values() if failure.task in plain]
    unfinished = [identity for identity in begun if identity not in told]
    return tuple(sorted(failed, key=lambda run: (run.task, run.label, run.seed or 0, run.identity))), tuple(unfinished)


def _configurations(store: Store, identities: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for identity in identities:
        if (store.runs_dir / identity / "config.yaml").exists():
            with suppress(DamagedRunError):  # the store notes it
                found[identity] = store.configuration(identity)
    return found
