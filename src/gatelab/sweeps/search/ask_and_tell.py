"""The loop of a search: ask for a batch of trials, train their runs together, tell the study their values."""

import math
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import optuna
from hydra.core.override_parser.types import Override
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from gatelab.configuration.sweep_size import MOST_POINTS
from gatelab.errors import UserError
from gatelab.progress import Minutes
from gatelab.sweeps.search.samplers import sampler
from gatelab.sweeps.search.search_settings import SearchSettings
from gatelab.sweeps.search.search_summary import summary
from gatelab.sweeps.search.searchers import Searchers, Several, owner_of
from gatelab.sweeps.search.served import is_served
from gatelab.sweeps.search.space import Space, read_space
from gatelab.sweeps.search.study import (
    claimed,
    counted,
    kept,
    opened,
    question,
    remaining_waiting,
    requeue,
    study_of,
)

__all__ = ["Outcome", "Point", "TrialRuns", "search"]

_LOOK = 1.0  # seconds between two looks at what other processes train
_PATIENCE = 5.0


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
    claim = nullcontext() if is_served(settings.storage) else claimed(folder, name)
    with claim, opened(settings.storage, folder, name) as (storage, where):
        searchers = Several(storage) if isinstance(storage, RDBStorage) and is_served(settings.storage) else Searchers()
        study = study_of(storage, name, asked, patience=0.0 if searchers.alone else _PATIENCE)
        wanted = settings.trials(None if grid is None else len(grid))
        asks = _Asks(study, space, settings, grid, wanted)
        news = Minutes()
        while True:
            with searchers.turn(study):
                trials = asks.next(searchers)
            if trials:
                with searchers.own(study, trials):
                    kept(where)
                    _train_and_tell(study, trials, space, settings, runs, first.seed)
                    kept(where)
            elif asks.there >= wanted:
                break
            else:
                news.tell(asks.standing)
                time.sleep(_LOOK)
        print(summary(study, counted(study.get_trials(deepcopy=False)), space, settings.seeds, first, where, flags))
    return study


class _Asks:
    """Asks for the batches of a search.

    Attributes:
        there: trials that have ended.
        elsewhere: trials that other processes train.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        settings: SearchSettings,
        grid: Sequence[dict[str, object]] | None,
        wanted: int,
    ) -> None:
        self.study, self.space, self.settings, self.grid, self.wanted = study, space, settings, grid, wanted
        self.there = 0
        self.elsewhere: list[FrozenTrial] = []
        self._begun = False

    def next(self, searchers: Searchers) -> list[Trial]:
        """Return the next batch, in a turn of this process; none while the others train what is left."""
        killed = requeue(self.study, searchers.left_behind(self.study))
        # read once: others may tell of theirs at any moment
        trials = self.study.get_trials(deepcopy=False)
        self.there = len(counted(trials))
        self.elsewhere = [trial for trial in trials if trial.state == TrialState.RUNNING]
        if killed or (self.there and not self._begun):
            again = f"; {killed} were killed and are asked for again" if killed else ""
            print(f"study {self.study.study_name}: {self.there} of {self.wanted} trials are there{again}")
        self._begun = True
        asked = self.there + len(self.elsewhere)
        batch = _ask(
            self.study, self.space, self.settings, self.grid, asked, min(self.settings.batch_size, self.wanted - asked)
        )
        searchers.mark(batch)
        return batch

    def standing(self) -> str:
        """Say what this process waits for."""
        owners = " and ".join(dict.fromkeys(map(owner_of, self.elsewhere)))
        of_study = f"study {self.study.study_name}: {self.there} of {self.wanted} trials are there"
        return f"{of_study}, waiting for {len(self.elsewhere)} of {owners}"


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
        try:
            _tell(study, trial, of_trial)
        except UpdateFinishedTrialError:
            print(
                f"warning: trial {trial.number} was asked for again by another process, which has not heard of this "
                "one for a while",
                file=sys.stderr,
            )


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
        value = math.fsum(outcome.score for outcome in outcomes) / len(outcomes)
        study.tell(trial, value, skip_if_finished=True)
    else:
        study.tell(trial, state=TrialState.PRUNED if status == "diverged" else TrialState.FAIL, skip_if_finished=True)
