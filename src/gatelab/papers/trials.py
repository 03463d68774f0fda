"""The runs of an experiment: their results, and the step at which each had solved its task."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from gatelab.evidence.versions import told_apart
from gatelab.keys import value_of
from gatelab.statistics import diverged_score, time_to_threshold
from gatelab.store import DamagedRunError, Result, Store

__all__ = ["RunGroup", "Trial", "Trials", "read_trials"]


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Which runs are meant."""

    variant: str
    """Their label, such as ``lstm`` or ``lstm f=1``; ``*`` for all."""
    where: Mapping[str, Any] = field(default_factory=dict)
    """Dotted setting -> value, compared as text: ``optimizer.lr`` -> 0.1."""
    best: float = 1.0
    """Only this share of them, those with the best validation scores."""

    def __str__(self) -> str:
        settings = [f"{key}={value}" for key, value in self.where.items()]
        share = [f"(best {self.best:.0%} by validation)"] if self.best < 1 else []
        return " ".join(["all" if self.variant == "*" else self.variant, *settings, *share])


@dataclass(frozen=True, slots=True)
class Trial:
    """One run that has come to its end."""

    result: Result
    solved: bool
    """Whether its test score, at the step that validation chose, is good enough; never of a diverged run."""
    sequences: float
    """Training sequences until a validation first had such a score; infinite if none had."""

    @property
    def score(self) -> float:
        """Test score; NaN if the run diverged."""
        return self.result.test.score if self.result.status == "finished" else math.nan

    @property
    def loss(self) -> float:
        """Test loss; NaN if the run diverged."""
        return self.result.test.loss if self.result.status == "finished" else math.nan

    def reaches(self, score: float) -> bool:
        """Return whether the test score is this one or a better one; never of a diverged run."""
        return self.score >= score if self.result.higher_is_better else self.score <= score

    @property
    def validation(self) -> float:
        """Best validation score; NaN if the run diverged."""
        return self.result.validation.score if self.result.status == "finished" else math.nan


@dataclass(frozen=True, slots=True)
class Trials:
    """All runs of one profile of an experiment; runs of several tasks are told apart by ``task.…`` in a group."""

    trials: tuple[Trial, ...]

    def of(self, group: RunGroup) -> list[Trial]:
        """Return the runs that are meant, in order of seed."""
        found = [trial for trial in self.trials if _meant(trial.result, group)]
        if group.best < 1 and found:
            # diverged runs come last; ties go to the smaller seed, so that the answer is always the same
            sign = -1 if found[0].result.higher_is_better else 1
            ranked = sorted(found, key=lambda trial: (math.isnan(trial.validation), sign * trial.validation,
                                                      trial.result.seed, trial.result.identity))  # fmt: skip
            found = ranked[: max(1, math.ceil(group.best * len(ranked)))]
        return sorted(found, key=lambda trial: (trial.result.seed, trial.result.identity))

    def stand_in(self, compared: Sequence[Trial]) -> float | None:
        """Return the score that stands for a diverged run: the worst of the runs that are compared, or chance."""
        result = compared[0].result
        scores = [trial.score for trial in compared]
        return diverged_score("worst", scores, higher_is_better=result.higher_is_better, chance=result.chance)


def read_trials(store: Store, identities: Iterable[str] | None, solved: float) -> Trials:
    """Return the finished runs of a store, without damaged ones, which are in ``store.damaged``.

    Of a variant whose file was edited, the newest version has the name; those of before are ``lstm (1)`` and so on.

    Args:
        store: where they lie.
        identities: the runs that are wanted; None for all of the store.
        solved: the score from which a run has solved its task.
    """
    if identities is None:
        results = store.results()
    else:
        found = (store.finished(identity) for identity in dict.fromkeys(identities))
        results = [result for result in found if result is not None]
    told = told_apart(store, results)
    # claims name variants as their files do: they mean those of today
    newest = {version.label: version.shared for version in told.versions if version.newest}
    named = [replace(result, label=newest.get(result.label, result.label)) for result in told.results]
    return Trials(tuple(_trials(store, named, solved)))


def _trials(store: Store, results: Sequence[Result], solved: float) -> Iterator[Trial]:
    for result in results:
        with suppress(DamagedRunError):  # the store notes it
            yield _trial(store, result, solved)


def _trial(store: Store, result: Result, solved: float) -> Trial:
    rows = [row for row in store.history(result.identity) if row["split"] == "validation" and "score" in row]
    step = time_to_threshold(
        [row["step"] for row in rows],
        [float(row["score"]) for row in rows],
        solved,
        higher_is_better=result.higher_is_better,
    )
    size = int(result.settings.get("training.batch_size", 1))
    trial = Trial(result, False, step * size)
    return replace(trial, solved=trial.reaches(solved))


def _meant(result: Result, group: RunGroup) -> bool:
    return group.variant in ("*", result.label) and all(
        str(value_of(result.settings, key)) == str(value) for key, value in group.where.items()
    )
