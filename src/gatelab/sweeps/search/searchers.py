"""Who searches a study: one process, which has locked its file, or several at once, over a database.

Several take turns at asking, so that no trial is asked for twice and none too many. A turn is a lock on a row of the
database, which it takes back from a process that dies. Each trial carries its owner and a number that the owner counts
up; a trial whose number has stood still for a while, by the clock of whoever looks, is asked for again. So no clocks of
different machines are compared, and where owner and onlooker are on one machine nobody has to wait.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

import optuna
from optuna.exceptions import OptunaError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from gatelab.store import LEASE
from gatelab.store.lease.owner import Owner, this_process
from gatelab.sweeps.search.study import requeue

__all__ = ["Searchers", "Several", "owner_of"]

_OWNER, _BEAT = "owner", "beat"  # user attributes of a trial
_BETWEEN = LEASE / 4  # seconds between two beats


class Searchers:
    """The only process that searches a study."""

    alone = True

    def turn(self, study: optuna.Study) -> AbstractContextManager[None]:
        """Have the study to oneself during a block."""
        return nullcontext()

    def left_behind(self, study: optuna.Study) -> list[FrozenTrial]:
        """Return the running trials whose process has ended; to be called in a turn, between two batches."""
        return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def mark(self, trials: Sequence[Trial]) -> None:
        """Note in trials that were just asked for that they are this process's; in the same turn."""

    def own(self, study: optuna.Study, trials: Sequence[Trial]) -> AbstractContextManager[None]:
        """Train trials during a block."""
        return nullcontext()


class Several(Searchers):
    """This process and others, over a database.

    Args:
        storage: the database.
        clock: monotonic, in seconds.
        owner: this process.
    """

    alone = False

    def __init__(
        self, storage: RDBStorage, clock: Callable[[], float] = time.monotonic, owner: Owner | None = None
    ) -> None:
        self._storage, self._clock = storage, clock
        self._owner = (owner or this_process()).to_mapping()
        self._seen: dict[int, tuple[object, float]] = {}  # of each running trial its beat, and since when

    @contextmanager
    def turn(self, study: optuna.Study) -> Iterator[None]:
        """Wait for one's turn, and have the study to oneself during a block."""
        from sqlalchemy import column, select, table

        # a row that every study of gatelab has, and that Optuna itself never locks
        row = table("study_user_attributes", column("study_id"), column("key"))
        ours = select(row.c.study_id).where(row.c.study_id == study._study_id, row.c.key == "question")
        with self._storage.engine.begin() as connection:
            connection.execute(ours.with_for_update()).all()
            yield

    def left_behind(self, study: optuna.Study) -> list[FrozenTrial]:
        """Return the running trials whose process has ended, or was not heard of for the length of a lease."""
        trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        self._seen = {number: seen for number, seen in self._seen.items() if number in {one.number for one in trials}}
        return [trial for trial in trials if self._is_left(trial)]

    def _is_left(self, trial: FrozenTrial) -> bool:
        # it is marked in the turn in which it is asked for
        if _OWNER not in trial.user_attrs:
            return True
        try:
            alive = Owner.from_mapping(trial.user_attrs[_OWNER]).alive()
        except (ValueError, AttributeError):
            alive = None
        if alive is not None:
            return not alive
        beat, now = trial.user_attrs.get(_BEAT), self._clock()
        before, since = self._seen.setdefault(trial.number, (beat, now))
        if before != beat:
            self._seen[trial.number] = (beat, now)
            return False
        return now - since > LEASE

    def mark(self, trials: Sequence[Trial]) -> None:
        """Note in trials that were just asked for that they are this process's."""
        for trial in trials:
            trial.set_user_attr(_BEAT, 0)
            trial.set_user_attr(_OWNER, self._owner)

    @contextmanager
    def own(self, study: optuna.Study, trials: Sequence[Trial]) -> Iterator[None]:
        """Let others know that trials are being trained, during a block; give them back if it fails."""
        ended = threading.Event()
        beats = threading.Thread(target=_beat, args=(trials, ended), name="beats", daemon=True)
        beats.start()
        try:
            yield
        except BaseException:
            with suppress(OptunaError, OSError):  # the database may be the reason
                _give_back(self, study, {trial.number for trial in trials})
            raise
        finally:
            ended.set()
            beats.join()


def owner_of(trial: FrozenTrial) -> str:
    """Return the process that trains a trial, for a sentence."""
    try:
        return str(Owner.from_mapping(trial.user_attrs[_OWNER]))
    except (KeyError, ValueError, AttributeError):
        return "another process"


def _beat(trials: Sequence[Trial], ended: threading.Event) -> None:
    count = 0
    while not ended.wait(_BETWEEN):
        count += 1
        for trial in trials:
            # it has ended, or the database is away for a while
            with suppress(UpdateFinishedTrialError, OptunaError, OSError):
                trial.set_user_attr(_BEAT, count)


def _give_back(several: Several, study: optuna.Study, numbers: set[int]) -> None:
    with several.turn(study):
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        requeue(study, [trial for trial in running if trial.number in numbers])
