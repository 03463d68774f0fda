"""A study that a database server keeps: opened through Optuna, with what the server says in one line."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from gatelab.errors import UserError, one_line

__all__ = ["is_served", "served"]

_PATIENCE = 10  # seconds for an answer of the server
_TRIES = 5  # at making the tables, which several processes may do at once
_PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""What brings a module; others have the name of their module."""


def is_served(place: str | None) -> bool:
    """Say whether a study is kept by a database server, not in a file."""
    return place is not None and "://" in place and not place.startswith("sqlite:")


@contextmanager
def served(url: str, name: str) -> Iterator[RDBStorage]:
    """Open the database of a study during a block.

    Args:
        url: any that Optuna takes.
        name: of the study. One that is new and is refused before a trial has ended is removed.

    Raises:
        UserError: no driver, no server, a wrong password or name, with what the driver says; also during the block.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        storage = _opened(url)
    except ImportError as error:
        missing = getattr(error.__cause__ or error, "name", None)
        needs = f"needs `pip install {_PACKAGES.get(missing, missing)}`" if missing else one_line(error, 200)
        raise UserError(f"hydra.sweeper.storage={url}: {needs}") from error
    except (SQLAlchemyError, RuntimeError, ValueError, OSError) as error:
        raise UserError(f"hydra.sweeper.storage={url}: {_said(error)}") from error
    try:
        new = all(study.study_name != name for study in storage.get_all_studies())
        try:
            yield storage
        except UserError:
            if new:
                _remove_unless_begun(storage, name)
            raise
    except (SQLAlchemyError, StorageInternalError) as error:
        raise UserError(f"hydra.sweeper.storage={url}: {_said(error)}") from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _opened(url: str) -> RDBStorage:
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    # a server that was started anew has closed the connections in the pool
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("postgresql") and "connect_timeout" not in url:
        options["connect_args"] = {"connect_timeout": _PATIENCE}
    for left in reversed(range(_TRIES)):
        try:
            return RDBStorage(url, engine_kwargs=options)
        except (IntegrityError, ProgrammingError):
            # another process makes the tables at this moment
            if not left:
                raise
            time.sleep(0.5)
    raise AssertionError


def _remove_unless_begun(storage: RDBStorage, name: str) -> None:
    for study in storage.get_all_studies():
        if study.study_name == name:
            trials = storage.get_all_trials(study._study_id, deepcopy=False)
            replaced = {trial.user_attrs.get("instead_of") for trial in trials}
            if not any(trial.state.name == "RUNNING" or _counts(trial, replaced) for trial in trials):
                storage.delete_study(study._study_id)


def _counts(trial: Any, replaced: set[Any]) -> bool:
    return trial.state.is_finished() and trial.number not in replaced


def _said(error: BaseException) -> str:
    """Return what the driver of the database says, below what SQLAlchemy and Optuna say of it."""
    while isinstance(error.__cause__, Exception) and isinstance(error, StorageInternalError):
        error = error.__cause__
    said = str(getattr(error, "orig", None) or error)
    first = next((line.strip() for line in said.splitlines() if line.strip()), type(error).__name__)
    return one_line(first, 300)
