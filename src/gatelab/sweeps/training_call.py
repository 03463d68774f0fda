"""One training call: composes overrides with Hydra, checks the points, trains the missing ones, reports all.

The command and :func:`gatelab.train` begin a session; Hydra's plugins find the current one and pass it
the points of a sweep or a search.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from traceback import walk_tb
from typing import Any, TypeVar

from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from gatelab.configuration import (
    Points,
    Reading,
    RunConfiguration,
    added_directories,
    check_optimizer,
    check_single,
    check_swept_experiments,
    launcher_words,
    plain,
    translated,
    using,
)
from gatelab.configuration.hydra_loader import CONFIG, hydra_loader
from gatelab.configuration.overrides import parsed_words
from gatelab.configuration.quick import runs_of
from gatelab.configuration.shared_values import Same
from gatelab.configuration.sweep_size import check_size
from gatelab.configuration.swept_params import waiting_params
from gatelab.configuration.without_effect import check_swept
from gatelab.disk import because, check_place
from gatelab.errors import UserError
from gatelab.language import Variant
from gatelab.store import Failure, Stopped
from gatelab.store.stopping import Interrupted
from gatelab.sweeps.changed_data import of_changed_data
from gatelab.sweeps.execute import execute
from gatelab.sweeps.executors import Executor
from gatelab.sweeps.executors.inline import Inline
from gatelab.sweeps.feasibility import check_feasible
from gatelab.sweeps.finished_already import of_finished
from gatelab.sweeps.finished_runs import finished
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.listener import Detached, Listener, PlannedWork, PlanOnly, RunError, Trained
from gatelab.sweeps.notes import of_data, of_kernels, of_launcher, of_loggers, of_runs, of_single
from gatelab.sweeps.session import Session, begun, current
from gatelab.tasks import task_from_mapping
from gatelab.uncollected import uncollected

__all__ = ["begin_sweep", "carry_out", "named_point", "prepared", "train_points", "train_resolved"]

_MANY = 10_000  # points, whose composition takes seconds
_STEP = 1000  # of them are prepared between two looks at the clock
_OUR_SWEEPERS = ("BasicSweeper", "OptunaSearchSweeper")  # Hydra's own, and that of searches

Made = TypeVar("Made")


def carry_out(arguments: Sequence[str], listener: Listener, variants: Mapping[str, Variant] | None = None) -> Session:
    """Train the runs that some arguments describe, and return the outcomes.

    Args:
        arguments: overrides and, of flags, ``-m`` for a sweep and ``--config-dir=FOLDER``, as
            :func:`gatelab.configuration.arranged` returns them.
        listener: receives all messages.
        variants: name -> variant, beside those of files.

    Raises:
        UserError: in one line, before anything starts.
        Stopped, Interrupted: a signal has stopped it.
        PlanOnly: only the plan was requested.
    """
    directories = added_directories(arguments)
    words = [word for word in arguments if not word.startswith("-")]
    swept = bool({"-m", "--multirun"} & set(arguments)) or "hydra.mode=MULTIRUN" in words
    with (
        begun(Session(listener, arguments)) as session,
        translated(arguments),
        using(directories, variants or {}) as folders,
        hydra_loader() as loader,
    ):
        session.say((*folders.replaced(), *folders.unread()))
        if swept:
            check_swept_experiments(arguments, folders)
            _check_size(words)
            _sweep(loader, words, arguments)
        else:
            _single(loader, words, arguments)
    return session


def train_resolved(mapping: Mapping[str, Any], listener: Listener, directories: Sequence[Path] = ()) -> Session:
    """Train the run of a whole configuration, as a store has it; see :func:`carry_out`."""
    with begun(Session(listener)) as session:
        train_points([mapping], None, directories, frozen=True)
    return session


def _single(loader: ConfigLoader, words: Sequence[str], arguments: Sequence[str]) -> None:
    config = loader.load_configuration(CONFIG, list(words), RunMode.RUN)
    check_single(config.hydra, arguments)
    current().words = [*arguments, *launcher_words(config.hydra, arguments)]
    callbacks = Callbacks(config)
    callbacks.on_run_start(config=config, config_name=CONFIG)
    train_points([plain(config)], None, added_directories(arguments))


def _check_size(words: Sequence[str]) -> None:
    """Limit the points of a sweep with another launcher; our launcher gets all points and limits them itself."""
    chosen = dict(word.split("=", 1) for word in words if word.startswith(("hydra/launcher=", "hydra/sweeper=")))
    if chosen.get("hydra/launcher", "stacked") != "stacked" and "hydra/sweeper" not in chosen:
        check_size(parsed_words(words))


def _sweep(loader: ConfigLoader, words: Sequence[str], arguments: Sequence[str]) -> None:
    """Run the sweeper and the launcher of the configuration; ours call :func:`train_points`."""
    mode = [] if "hydra.mode=MULTIRUN" in words else ["hydra.mode=MULTIRUN"]
    config = loader.load_configuration(CONFIG, [*words, *mode], RunMode.MULTIRUN)
    callbacks = Callbacks(config)
    callbacks.on_multirun_start(config=config, config_name=CONFIG)
    ended: list[BaseException] = []

    def job(configuration: DictConfig) -> None:
        """Train one point, for a launcher that is not ours."""
        # passed around Hydra, which would print its own line above ours
        try:
            with translated(arguments):
                point = plain(configuration)
            train_points([point], None, added_directories(arguments))
        except (UserError, Stopped, Interrupted, PlanOnly) as end:
            ended.append(end)

    context = HydraContext(config_loader=loader, callbacks=callbacks)
    ours = str(config.hydra.sweeper._target_).endswith(_OUR_SWEEPERS)
    with contextlib.ExitStack() as waiting:
        params = waiting.enter_context(waiting_params(config)) if ours else None
        sweeper: Any = Plugins.instance().instantiate_sweeper(hydra_context=context, task_function=job, config=config)
    # as they were written: ${draw:…} is resolved for each point, with its own seed
    given: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    if params is not None:
        sweeper.params = params
    with contextlib.suppress(RunError), _hydra_writing(config.hydra.sweep.dir):  # a RunError is among the outcomes
        sweeper.sweep(arguments=given)
    if ended:
        raise ended[0]
    callbacks.on_multirun_end(config=config, config_name=CONFIG)


@contextlib.contextmanager
def _hydra_writing(folder: str) -> Iterator[None]:
    """Turn an OSError of Hydra, which writes the configuration of a sweep into its folder, into a UserError."""
    try:
        yield
    except OSError as error:
        # a write that fails, unlike an open, does not name its file
        saving = any(
            frame.f_globals.get("__name__") == OmegaConf.__module__ for frame, _ in walk_tb(error.__traceback__)
        )
        if not saving and Path(str(error.filename)).absolute() != Path(folder).absolute():
            raise
        raise UserError(f"{Path(folder) / 'multirun.yaml'}: cannot be written: {because(error)}") from error


def prepared(things: Sequence[Made], what: str) -> Iterator[tuple[int, Made]]:
    """Number the points of a sweep, or the words of each, and tell the listener how far it is if they are many."""
    listener = current().listener
    for position, thing in enumerate(things):
        if len(things) >= _MANY and position % _STEP == 0:
            listener.prepares(position, len(things), what)
        yield position, thing


def begin_sweep(folder: Path, runs_dir: str, points: int = 0) -> None:
    """Note the folder into which Hydra will write the configuration of a sweep, even of one that is refused.

    Args:
        folder: of the sweep.
        runs_dir: the store.
        points: how many there will be, said before they are written out; 0 where a search asks for them as it goes.

    Raises:
        UserError: it cannot be written into.
    """
    if points >= _MANY:
        current().listener.prepares(0, points, "composed")
    below = folder.absolute().is_relative_to(Path(runs_dir).absolute())
    if below:
        check_place(Path(runs_dir), f"runs_dir={runs_dir}")
    check_place(folder, f"hydra.sweep.dir={folder}")
    current().begun[:] = [place for place in (folder, *folder.parents) if not place.exists()]


def train_points(
    points: Sequence[Mapping[str, Any]],
    sweep: str | None,
    directories: Sequence[Path] = (),
    names: Sequence[str] | None = None,
    launcher: Mapping[str, Any] | None = None,
    *,
    tables: bool = True,
    frozen: bool = False,
) -> list[float | Failure]:
    """Train composed configurations; return each run's validation score, or why it failed.

    Args:
        points: nested plain values, one for each run.
        sweep: the name of the sweep; None for a single run.
        directories: folders beside conf/ that hold variants.
        names: the name of each point in errors.
        launcher: the options below hydra.launcher; None for this process.
        tables: False reports only failures: for one batch of a search, which prints its own summary.
        frozen: the points are configurations of stored runs.
    """
    session = current()
    points = Points.of(points)
    if any(kind.get("describe") for kind in points.kinds):
        _describe(points.kinds)
        raise PlanOnly("describe")
    places = () if names is None or len(points) == 1 else names
    checked = _checked(points, places, directories, frozen=frozen)
    firsts = [checked[first] for first in points.firsts()]
    options = ExecutorOptions(executor="inline") if launcher is None else ExecutorOptions.read(launcher)
    folder = Path(checked[0].runs_dir) / "sweeps" / (sweep or "")

    def executor() -> Executor:
        # a problem of a single run is raised, not put into a table
        return Inline(raising=True) if sweep is None else session.executor(options, checked[0], folder)

    def slots() -> int:
        return 1 if sweep is None else executor().slots

    def parts() -> int:
        return 1 if sweep is None else executor().parts

    def check(runs: Sequence[RunConfiguration]) -> None:
        positions = {run.identity: position for position, run in reversed(list(enumerate(checked)))}
        optimizers: dict[Same, RunConfiguration] = {}
        for run in runs:
            optimizers.setdefault(Same(run.optimizer), run)
        for run in optimizers.values():
            with named_point(positions[run.identity], places):
                check_optimizer(run.optimizer)
        environ = dict(os.environ)  # the check removes variables that W&B must ignore
        check_feasible(runs, options, slots())
        session.say(of_runs(checked, points))
        session.say(of_data(firsts, points.kinds), session.listener.follows)
        session.say(of_kernels(checked))
        session.say(of_loggers(checked, environ, sweep=sweep is not None))
        session.say(of_single(session.words, checked[0]) if sweep is None else of_launcher(options, checked))

    check_swept(firsts, points.kinds)
    if sweep is not None and tables:
        session.listener.begins(checked)
    if not frozen and not session.outcomes:  # in a search only before its first batch
        session.say(of_changed_data(checked[0].runs_dir, {Same(run.task): run.task for run in firsts}.values()))
    if any(kind.get("plan_only") for kind in points.kinds):
        session.listener.plans(PlannedWork(checked, options, folder, parts, slots, check))
        raise PlanOnly("plan_only")
    done = finished(checked)
    pending = {run.identity for run in checked if run.identity not in done}
    if tables:
        session.say(of_finished(checked, pending), session.listener.finished_already)
    try:
        outcomes = execute(checked, sweep, options, executor, check, session.listener.problem, done)
    except Detached as detached:
        session.listener.left(str(detached))
        raise
    session.outcomes |= {run.identity: (run, outcome) for run, outcome in zip(checked, outcomes, strict=True)}
    session.listener.ended(Trained(outcomes, checked[0], sweep, bool(pending), tables))
    return [outcome if isinstance(outcome, Failure) else outcome.validation.score for outcome in outcomes]


def _describe(points: Sequence[Mapping[str, Any]]) -> None:
    """Report the data of each task; nothing else of a point is looked at, so that it need not be complete."""
    for task in {repr(point["task"]): point["task"] for point in points}.values():
        described = task_from_mapping(task)
        current().listener.describes(described.description())
        current().say(of_changed_data(str(points[0].get("runs_dir", "runs/")), [described]))


@uncollected()
def _checked(
    points: Points, names: Sequence[str], directories: Sequence[Path], *, frozen: bool
) -> list[RunConfiguration]:
    def named(position: int) -> contextlib.AbstractContextManager[None]:
        if "label" in points[position] and not frozen:
            with named_point(position, names):
                raise UserError("label: follows from the variant and its equations; must be left out")
        return named_point(position, names)

    return runs_of(points, Reading(directories, frozen=frozen), prepared(points.places, "checked"), named)


@contextlib.contextmanager
def named_point(position: int, names: Sequence[str]) -> Iterator[None]:
    """Add to an error which point of the sweep it is about, if there are several."""
    try:
        yield
    except UserError as error:
        if len(names) < 2:
            raise
        # an equation's error has a caret below its first line
        sentence, *caret = str(error).split("\n")
        place = f"(point {position + 1} of {len(names)}: {names[position]})"
        raise UserError("\n".join([f"{sentence} {place}", *caret])) from None
