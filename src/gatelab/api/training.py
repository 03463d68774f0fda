"""Training from Python: one run, or a sweep of many."""

import signal
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gatelab.api.override_words import OverrideWords, folders, is_resolved
from gatelab.api.run import Run
from gatelab.api.runs import Runs
from gatelab.configuration import arranged
from gatelab.configuration.hydra_loader import hydra_rules
from gatelab.errors import UserError
from gatelab.evidence.selection import select
from gatelab.permission import permitted
from gatelab.report import runs_table, variants_table
from gatelab.store import Failure, Result, Stopped, Store
from gatelab.store.stopping import Interrupted
from gatelab.sweeps.listener import Listener, PlanOnly, Trained
from gatelab.sweeps.session import Session
from gatelab.sweeps.training_call import carry_out, train_resolved

__all__ = ["sweep", "train"]


def train(
    *words: str | Mapping[str, Any], config_dir: str | Path | Iterable[str | Path] = (), progress: bool = False
) -> Run:
    """Train a run, unless it is already in the store, and return it.

        >>> run = gatelab.train("variant=lstm", "task=adding", "seed=3", *tiny)
        >>> run.result.status
        'finished'
        >>> coupled = gatelab.variant("peephole").edit(i="1 - f")
        >>> gatelab.train({"variant": coupled, "task": "adding", "model.hidden_size": 4}, *tiny).result.label
        'peephole i=1 - f'

    The words are those of ``gatelab train``: any key of conf/train.yaml, such as ``training.max_steps=500``. The run is
    written to ``runs_dir`` (runs/), where a run of the same configuration is found and not trained twice. Notes of
    the command on settings without effect are warnings here. Works in a notebook, in a thread, and inside a
    Hydra application; Ctrl-C stops at a checkpoint and raises KeyboardInterrupt, and the same call resumes from there.

    Args:
        words: ``"key=value"``, or mappings from keys to values: ``{"optimizer.lr": 1e-3}``,
            ``{"optimizer": {"lr": 1e-3}}``. The value of ``variant`` may be a :class:`Variant`. The whole configuration
            of a run (``{**run.configuration, "seed": 5}``) is used unchanged, as the only argument.
        config_dir: your own folders that add variants and other files to conf/.
        progress: whether to show a progress bar on stderr.

    Raises:
        UserError: what the command refuses, with the same line; before anything is trained.
    """
    resolved = [word for word in words if isinstance(word, Mapping) and is_resolved(word)]
    if resolved and len(words) > 1:
        raise UserError("a whole configuration must be the only argument; change its keys in the mapping")
    with _interruptible():
        if resolved:
            session = train_resolved({**resolved[0], "progress": progress}, _Warnings(), folders(config_dir))
        else:
            session = _session(words, config_dir, sweep=False, progress=progress)
    return _runs(session)[0]


def sweep(
    *words: str | Mapping[str, Any],
    workers: int | None = None,
    config_dir: str | Path | Iterable[str | Path] = (),
    progress: bool = False,
) -> Runs:
    """Train every combination of some values, and return the runs in the order of the combinations.

        >>> runs = gatelab.sweep("variant=lstm,gru", "task=adding", "seed=range(3)", *tiny, workers=0)
        >>> len(runs)
        6
        >>> [run.seed for run in runs.where(variant="gru")]
        [0, 1, 2]
        >>> len(gatelab.sweep({"variant": ["lstm", "gru"], "seed": range(4)}, "task=adding", *tiny, workers=0))
        8

    Like ``gatelab train -m``: runs of equal shapes train together, runs in the store are not trained again, and a
    stopped sweep resumes. Workers are separate processes. With the word
    ``hydra/sweeper=optuna_search`` it is a search, and the runs are its trials.

    Args:
        words: as for :func:`train`; ``"key=a,b"``, ``"seed=range(10)"`` and, in a mapping, lists and ranges are several
            values. (A value that is itself a list is put into a list: ``{"optimizer.betas": [[0.9, 0.99]]}``.)
        workers: processes, each of which trains one stack at a time; None for as many as there are cores; 0 trains in
            this process, one stack after the other.
        config_dir, progress: as for :func:`train`.

    Returns:
        All runs. A failed run has the status "failed", and a warning is given.

    Raises:
        UserError: what the command refuses, with the same line; before anything is trained.
    """
    if workers is not None:
        words = (*words, "hydra.launcher.executor=inline" if workers == 0 else f"hydra.launcher.workers={workers}")
    with _interruptible():
        session = _session(words, config_dir, sweep=True, progress=progress)
    failures = [outcome for _, outcome in session.outcomes.values() if isinstance(outcome, Failure)]
    if failures:
        first = f"the first, {failures[0].label} on {failures[0].task}, seed {failures[0].seed}: {failures[0].reason}"
        session.listener.note(f"{len(failures)} of {len(session.outcomes)} runs failed; {first}")
    return _runs(session)


def _session(
    words: Iterable[str | Mapping[str, Any]],
    config_dir: str | Path | Iterable[str | Path],
    *,
    sweep: bool,
    progress: bool,
) -> Session:
    told = OverrideWords(several=sweep)
    for word in words:
        told.add(word)
    if flag := next((word for word in told.overrides if word.startswith("-")), None):
        raise UserError(f"{flag}: a flag of the command; from Python there are config_dir= and progress=")
    if any(word.replace(" ", "").lower() == "hydra.launcher.detach=true" for word in told.overrides):
        raise UserError("hydra.launcher.detach=true: is for the command `gatelab train`; a call returns the runs")
    if not any(word.startswith("progress=") for word in told.overrides):
        told.overrides.append(f"progress={str(progress).lower()}")
    flags = [*(["-m"] if sweep else []), *(f"--config-dir={folder}" for folder in folders(config_dir))]
    try:
        with hydra_rules, permitted([*flags, *told.overrides]) as given:
            return carry_out(arranged(given), _Warnings(), told.variants)
    except PlanOnly as only:
        what = "a plan" if str(only) == "plan_only" else "a description"
        raise UserError(f"{only}=true: prints {what}, which is for the command `gatelab train`") from None


def _runs(session: Session) -> Runs:
    stores = {run.runs_dir: Store(run.runs_dir) for run, _ in session.outcomes.values()}
    return Runs([Run(stores[run.runs_dir], identity) for identity, (run, _) in session.outcomes.items()])


class _Warnings(Listener):
    """Passes notes on as warnings, at the line of the caller."""

    def note(self, line: str) -> None:
        warnings.warn(line, UserWarning, stacklevel=_outside())

    problem = note

    def ended(self, trained: Trained) -> None:
        results = list({one.identity: one for one in trained.outcomes if isinstance(one, Result)}.values())
        if results and trained.sweep is not None and trained.new and trained.tables:
            # torch and Lightning take seconds to import
            from gatelab.training.loggers.loggers import log_comparison

            selection = select(results)
            tables = {"runs": runs_table(selection), "variants": variants_table(selection)}
            log_comparison(trained.first, trained.sweep, {name: table.cells() for name, table in tables.items()})


def _outside() -> int:
    """Return how many calls the caller's code is above the one that warns."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _WITHIN:
        level, frame = level + 1, frame.f_back
    return level


_WITHIN = ("gatelab", "hydra", "hydra_plugins", "contextlib")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt if Ctrl-C has stopped it, and pass any other signal to the caller's handler."""
    try:
        yield
    except (Stopped, Interrupted) as stop:
        number = stop.status - 128
        if number != signal.SIGINT:
            signal.raise_signal(number)
        raise KeyboardInterrupt(str(stop)) from None
