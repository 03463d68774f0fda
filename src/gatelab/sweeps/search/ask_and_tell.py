"""The loop of a search: ask for a batch of trials, train their runs together, tell the study their values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import optuna
from hydra.core.override_parser.types import Override
from optuna.trial import Trial, TrialState

from gatelab.configuration.sweep_size import MOST_POINTS
from gatelab.errors import UserError
from gatelab.sweeps.search.samplers import sampler
from gatelab.sweeps.search.search_settings import SearchSettings
from gatelab.sweeps.search.search_summary import summary
from gatelab.sweeps.search.space import Space, read_space
from gatelab.sweeps.search.study import (
    claimed,
    counted,
    kept,
    opened,
    question,
    remaining_waiting,
    requeue_killed,
    study_of,
)

__all__ = ["Outcome", "Point", "TrialRuns", "search"]


@dataclass(frozen=True)
class Point:
    """The facts of a composed run that a search needs."""

    identity: str
    task: str
    score_name: str
    higher_is_better: bool
    seed: int
    runs_dir: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run."""

    status: Literal["finished", "diverged", "failed"]
    score: float = math.nan
    """On the validation split, at the best step; of a finished run."""
    identity: str = ""
    reason: str = ""
    """Why it failed, in one line."""


class TrialRuns(Protocol):
    """The source of runs: composed and trained with Hydra, or a stub in a test."""

    def point(self, words: Sequence[str]) -> Point:
        """Compose and check the run that overrides describe.

        Raises:
            UserError: there is no such run.
        """

    def train(self, batch: Sequence[Sequence[str]]) -> list[Outcome]:
        """Train the runs that overrides describe, all at once, and return their outcomes in order."""


def search(
    settings: SearchSettings,
    overrides: Sequence[Override],
    runs: TrialRuns,
    name: str,
    flags: Sequence[str] = (),
    most: int = MOST_POINTS,
) -> optuna.Study:
    """Search until the study has its trials, and print the summary.

    Args:
        overrides: parsed; those with several values are the space.
        name: of the study, if the settings give none.
        flags: arguments of the printed command beside overrides, such as ``--config-dir=mine``.
        most: runs that a search may have, and points of a grid.

    Raises:
        UserError: in one line, before anything starts.
    """
    space = read_space(overrides)
    _check_axes(space)
    settings.check_size(space, most)
    grid = space.grid(most) if settings.sampler == "grid" else None
    points = [runs.point(space.words(values)) for values in space.ends()]
    _check_points(points)
    first = points[0]
    direction = settings.direction or ("maximize" if first.higher_is_better else "minimize")
    asked = question(space, direction, settings.seeds, first.identity)
    name, folder = settings.study_name or name, Path(first.runs_dir) / "studies"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with claimed(folder, name), opened(settings.storage, folder, name) as (storage, where):
        study = study_of(storage, name, asked)
        killed = requeue_killed(study)
        wanted = settings.trials(None if grid is None else len(grid))
        there = len(counted(study))
        if there or killed:
            again = f"; {killed} were killed and are asked for again" if killed else ""
            print(f"study {name}: {there} of {wanted} trials are there{again}")
        while there < wanted:
            trials = _ask(study, space, settings, grid, there, min(settings.batch_size, wanted - there))
            kept(where)
            _train_and_tell(study, trials, space, settings, runs, first.seed)
            kept(where)
            there = len(counted(study))
        print(summary(study, counted(study), space, settings.seeds, first, where, flags))
    return study


def _check_axes(space: Space) -> None:
    if not space.parameters:
        raise UserError("nothing to search: give a key an interval, a range or several values")
    for parameter in space.parameters:
        word = f"{parameter.key}={parameter.text}"
        if parameter.key == "seed":
            raise UserError(
                f"{word}: a seed is nothing to choose; hydra.sweeper.seeds=3 trains each trial with 3 seeds"
            )


def _check_points(points: Sequence[Point]) -> None:
    tasks = list(dict.fromkeys(point.task for point in points))
    if len(tasks) > 1:
        raise UserError(f"task={','.join(tasks)}: a search compares the scores of one task")


def _ask(
    study: optuna.Study,
    space: Space,
    settings: SearchSettings,
    grid: Sequence[dict[str, object]] | None,
    begin: int,
    count: int,
) -> list[Trial]:
    waiting = remaining_waiting(study)
    trials = []
    for index in range(begin, begin + count):
        if grid is not None and index - begin >= waiting:
            study.enqueue_trial(grid[index])
        study.sampler = sampler(settings.sampler, settings.options, settings.sampler_seed, index)
        trials.append(study.ask(space.distributions()))
    return trials


def _train_and_tell(
    study: optuna.Study,
    trials: Sequence[Trial],
    space: Space,
    settings: SearchSettings,
    runs: TrialRuns,
    seed: int,
) -> None:
    """Train the runs of a batch and tell the study. After an exception the trials stay open, and will be repeated."""
    batch: list[list[str]] = []
    shares: list[slice | str] = []  # the positions of each trial's runs in the batch, or the reason why it has none
    for trial in trials:
        words = space.words(trial.params)
        try:
            runs.point(words)
        except UserError as error:
            # each value is allowed, but not both together
            shares.append(str(error).split("\n")[0])
            continue
        seeded = [words]
        if settings.seeds > 1:
            without = [word for word in words if not word.startswith("seed=")]
            seeded = [[*without, f"seed={seed + extra}"] for extra in range(settings.seeds)]
        shares.append(slice(len(batch), len(batch) + len(seeded)))
        batch += seeded
    outcomes = runs.train(batch) if batch else []
    for trial, share in zip(trials, shares, strict=True):
        of_trial = [Outcome("failed", reason=share)] if isinstance(share, str) else outcomes[share]
        _tell(study, trial, of_trial)


def _tell(study: optuna.Study, trial: Trial, outcomes: Sequence[Outcome]) -> None:
    """Tell one trial: the mean of its runs' scores if all have one.

    A diverged trial is reported as pruned, which means that its parameters are bad: TPE ranks it behind all finished
    ones, without an invented score. A failed trial is reported as failed, which means nothing about its parameters.
    """
    statuses = [
        "diverged" if outcome.status == "finished" and not math.isfinite(outcome.score) else outcome.status
        for outcome in outcomes
    ]
    status = next((status for status in ("failed", "diverged") if status in statuses), "finished")
    trial.set_user_attr("status", status)
    trial.set_user_attr("runs", [outcome.identity for outcome in outcomes if outcome.identity])
    if reason := next((outcome.reason for outcome in outcomes if outcome.reason), ""):
        trial.set_user_attr("reason", reason)
    if status == "finished":
        study.tell(trial, math.fsum(outcome.score for outcome in outcomes) / len(outcomes))
    else:
        study.tell(trial, state=TrialState.PRUNED if status == "diverged" else TrialState.FAIL)
