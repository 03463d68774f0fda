"""A study on disk or in a database: opened, resumed by name, repaired after a kill."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.exceptions import DuplicatedStudyError, OptunaError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from gatelab.disk import because, make_folder, writing
from gatelab.errors import UserError, hidden
from gatelab.locks import take_lock
from gatelab.reading import check_regular
from gatelab.sweeps.search.journal import check_journal, forget_mark, mark_journal, mend_journal
from gatelab.sweeps.search.served import is_served, served
from gatelab.sweeps.search.space import Space

__all__ = ["claimed", "counted", "kept", "opened", "question", "remaining_waiting", "requeue", "study_of"]

# what Optuna raises for a file that is no journal
_MET = (ValueError, LookupError, TypeError, AttributeError, AssertionError, OptunaError)
_FORMAT = 1  # of our data in a study; a study without a number is older than the number
_INSTEAD_OF = "instead_of"  # user attribute of a trial: the number of the killed one whose parameters it has


@contextmanager
def claimed(folder: Path, name: str) -> Iterator[None]:
    """Lock a study for this process; the lock ends with the process, also after a kill.

    Raises:
        UserError: another process holds it.
    """
    make_folder(folder)
    path = folder / f"{name}.claim"
    check_regular(path)
    new = not path.exists()
    with writing(path):
        claim = path.open("a")
    with claim as file:
        with writing(path):
            locked = take_lock(file)
        if not locked:
            raise UserError(
                f"hydra.sweeper.study_name={name}: another process is searching this study; several can search one "
                "that is kept by a database server (hydra.sweeper.storage=postgresql://…)"
            )
        try:
            yield
        except UserError:
            # a refused study leaves no file
            if new and not (folder / f"{name}.journal").exists():
                path.unlink(missing_ok=True)
                with suppress(OSError):
                    folder.rmdir()
            raise


@contextmanager
def opened(place: str | None, folder: Path, name: str) -> Iterator[tuple[BaseStorage, str]]:
    """Open the storage of a study; yield it and its place.

    One in a file must be claimed before.

    Raises:
        UserError: a folder that cannot be made, a file that cannot be read, a database that does not answer.
    """
    if is_served(place):
        with served(str(place), name) as database:
            yield database, hidden(str(place))
        return
    sqlite = place is not None and place.startswith("sqlite:///")
    path = Path(place.removeprefix("sqlite:///")) if place is not None else folder / f"{name}.journal"
    new = not path.exists()
    storage = _database(str(place), path) if sqlite else _journal(path)
    try:
        yield storage, str(place) if sqlite else str(path)
    except UserError:
        # a study that is refused before any trial has ended leaves no file
        if new and not any(trial.state.is_finished() for trial in _all_trials(storage)):
            path.unlink(missing_ok=True)
            if not sqlite:
                forget_mark(path)
        raise
    finally:
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()


def kept(where: str) -> None:
    """Mark the current state of a study, so that damage is detected; a database has its own checks."""
    if "://" not in where:
        mark_journal(Path(where))


def question(space: Space, direction: str, seeds: int, first_point: str) -> dict[str, Any]:
    """Return the question of a study: trials with different questions must not be mixed.

    Args:
        first_point: identity of the run at the first point of the space.
    """
    return {
        "format": _FORMAT,
        "parameters": {parameter.key: distribution_to_json(parameter.distribution) for parameter in space.parameters},
        "direction": direction,
        "seeds": seeds,
        "first_point": first_point,
        "fixed": list(space.fixed),
    }


def study_of(storage: BaseStorage, name: str, asked: Mapping[str, Any], patience: float = 0.0) -> optuna.Study:
    """Create the study of a name, or resume it.

    Args:
        storage: that holds it.
        name: of the study.
        asked: its question.
        patience: seconds for another process, which has just made the study, to write its question.

    Raises:
        UserError: the study of this name has another question.
    """
    try:
        study = optuna.create_study(storage=storage, study_name=name, direction=asked["direction"])
    except DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name)
        until = time.monotonic() + patience
        while "question" not in study.user_attrs and time.monotonic() < until:
            time.sleep(0.1)
    before = study.user_attrs.get("question")
    if before is None and not study.get_trials(deepcopy=False):
        study.set_user_attr("question", dict(asked))
    elif problem := _difference(before, asked):
        raise UserError(f"hydra.sweeper.study_name={name}: {problem}; another search needs another name")
    return study


def requeue(study: optuna.Study, left: Sequence[FrozenTrial]) -> int:
    """Mark the trials that a process left running as failed, and enqueue their parameters again.

    Returns:
        how many there were.
    """
    replaced = _replaced(study.get_trials(deepcopy=False))
    for trial in left:
        # in this order: a kill in between leaves a running trial that already has a successor
        if trial.number not in replaced:
            parameters = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
            study.enqueue_trial(parameters, user_attrs={_INSTEAD_OF: trial.number})
        study.tell(trial.number, state=TrialState.FAIL)
    return len(left)


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return, of the trials of a study, those that ended normally; killed ones have a successor that counts."""
    replaced = _replaced(trials)
    return [trial for trial in trials if trial.state.is_finished() and trial.number not in replaced]


def remaining_waiting(study: optuna.Study) -> int:
    """Return how many trials are enqueued."""
    return len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _replaced(trials: Sequence[FrozenTrial]) -> set[int]:
    return {trial.user_attrs.get(_INSTEAD_OF, -1) for trial in trials}


def _difference(before: Mapping[str, Any] | None, asked: Mapping[str, Any]) -> str:
    if before is None:
        return "the study of this name was not begun by this sweeper"
    if before.get("format", 1) != _FORMAT:
        return f"the study of this name has format {before['format']}, and this gatelab reads {_FORMAT}"
    old, new = before["parameters"], asked["parameters"]
    if changed := [key for key in {**old, **new} if old.get(key) != new.get(key)]:
        return f"the study of this name searches other values of {', '.join(changed)}"
    for key, meaning in (("direction", "direction"), ("seeds", "number of seeds")):
        if before[key] != asked[key]:
            return f"the study of this name has the {meaning} {before[key]}, not {asked[key]}"
    if before["first_point"] != asked["first_point"]:
        return f"the study of this name was begun with '{' '.join(before['fixed'])}', which means other runs"
    return ""


def _database(url: str, path: Path) -> RDBStorage:
    # Optuna's database storage imports a library that a journal does not need
    from sqlalchemy.exc import SQLAlchemyError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return RDBStorage(url)
    except (OSError, SQLAlchemyError, RuntimeError) as error:
        raise UserError(f"hydra.sweeper.storage={url}: cannot be opened: {_line(error)}") from error


class _Journal(JournalFileBackend):
    """Optuna's journal; an error of the disk becomes one line, which Optuna's lock would hide."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        try:
            super().append_logs(logs)
        except (OSError, RuntimeError) as error:
            refusals = [one for one in _chain(error) if isinstance(one, OSError)]
            reason = because(refusals[-1]) if refusals else _line(error)
            raise UserError(f"{self._file_path}: cannot be written: {reason}") from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and the errors of its context, the first one last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _journal(path: Path) -> JournalStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        check_journal(path)
        mend_journal(path)
        storage = JournalStorage(_Journal(str(path)))
        storage.get_all_studies()  # it reads only on demand
        return storage
    except OSError as error:
        raise UserError(f"{path}: cannot be opened: {error.strerror}") from error
    except _MET as error:
        raise UserError(f"{path}: damaged study: {_line(error)}") from error


def _all_trials(storage: BaseStorage) -> Iterator[FrozenTrial]:
    for study in storage.get_all_studies():
        yield from storage.get_all_trials(study._study_id, deepcopy=False)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
