"""Train a run, or with --multirun a sweep: what `gatelab train` does."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from gatelab.cli.finished_already import of_finished
from gatelab.cli.notes import of_launcher, of_loggers, of_runs, of_single, say
from gatelab.cli.outcome import cost_line, cost_total, failures_table, of_untried, plan_table, plan_total, result_tables
from gatelab.configuration import (
    Reading,
    RunConfiguration,
    added_directories,
    arranged,
    check_optimizer,
    check_single,
    check_swept_experiments,
    launcher_words,
    plain,
    translated,
    using,
)
from gatelab.configuration.overrides import parsed_words
from gatelab.configuration.sweep_size import check_size
from gatelab.configuration.without_effect import check_swept
from gatelab.disk import check_place
from gatelab.errors import UserError
from gatelab.locations import command_line, conf_directory
from gatelab.statistics import plan_comparison
from gatelab.store import Result, Stopped
from gatelab.sweeps import ExecutorOptions, Failure, Interrupted, execute, missing, plan
from gatelab.sweeps.executors import Executor, open_executor
from gatelab.sweeps.executors.inline import Inline
from gatelab.sweeps.feasibility import check_feasible

__all__ = ["PlanOnly", "RunError", "begin_sweep", "train", "train_points"]


_MOST_ROWS = 50  # of a table on the terminal


class RunError(Exception):
    """A run of a sweep could not be trained; the message is the reason. The other runs have been trained."""


class PlanOnly(BaseException):
    """The plan has been printed, and nothing else was asked for."""


@dataclass
class _Session:
    """What one call of the command keeps: a sweeper that searches trains one batch of points after another.

    Attributes:
        begun: folders that were not there before the sweep, the innermost first.
        failed: whether a run has failed.
        said: notes that have been printed.
        words: the arguments of the command, and what an experiment says of sweeps.
        executors: by their options; open, so that their workers need not start for every batch.
    """

    begun: list[Path] = field(default_factory=list)
    failed: bool = False
    said: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)
    executors: dict[str, Executor] = field(default_factory=dict)

    def executor(self, options: ExecutorOptions, first: RunConfiguration, folder: Path) -> Executor:
        key = f"{options} {first.threads} {first.device}"
        if key not in self.executors:
            self.executors[key] = open_executor(options, first.threads, first.device, folder)
        return self.executors[key]

    def remove_what_was_begun(self) -> None:
        if self.begun:
            (self.begun[0] / "multirun.yaml").unlink(missing_ok=True)
        # where runs have been trained, folders are not empty and stay
        with contextlib.suppress(OSError):
            for folder in self.begun:
                folder.rmdir()

    def close(self) -> None:
        for executor in self.executors.values():
            executor.close()
        self.executors.clear()


_session = _Session()


def train(arguments: list[str]) -> int:
    """Train what the arguments describe: Hydra overrides, and Hydra's own flags such as ``-m`` and ``--cfg job``.

    Returns:
        the exit status: 0; 1 if a run of a sweep has failed; 130 or 143 if a signal has stopped it.

    Raises:
        UserError: in one line, before anything starts.
    """
    arguments = arranged(arguments)
    directories = added_directories(arguments)
    multirun = any(word in ("-m", "--multirun") or "hydra.mode=" in word for word in arguments)
    ended: list[BaseException] = []
    _session.begun.clear()
    _session.said.clear()
    _session.words = arguments
    _session.failed = False

    def job(configuration: DictConfig) -> None:
        # carried past Hydra, which would print a line of its own above ours
        try:
            sys.argv = command
            if not multirun:
                check_single(HydraConfig.get(), arguments)
                _session.words = [*arguments, *launcher_words(HydraConfig.get(), arguments)]
            with translated(arguments):
                point = plain(configuration)
            train_points([point], None, directories)
        except (UserError, Stopped, Interrupted, PlanOnly) as end:
            ended.append(end)

    # the folders of a user are read as data, and Hydra gets to know nothing of them
    saved, command = sys.argv, ["train.py", *arguments]
    sys.argv = [word for word in command if not word.startswith("--config-dir=")]
    # Hydra's own way with errors is a report of several lines; with this it lets them through, and translated() has one
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with using(directories) as folders, translated(arguments):
            for line in (*folders.replaced(), *folders.unread()):
                print(f"note: {line}", file=sys.stderr)
            if multirun:
                check_swept_experiments(arguments, folders)
                _check_size(arguments)
            hydra.main(version_base="1.3", config_path=str(conf_directory()), config_name="train")(job)()
        if ended:
            raise ended[0]
    except (UserError, KeyboardInterrupt):
        _session.remove_what_was_begun()
        raise
    except PlanOnly:
        _session.remove_what_was_begun()
    except (Stopped, Interrupted) as stop:
        print(stop, file=sys.stderr)
        return stop.status
    except RunError:
        return 1
    finally:
        _session.close()
        sys.argv = saved
    return int(_session.failed)


def _check_size(arguments: Sequence[str]) -> None:
    """Bound a sweep that another launcher than ours would train; ours is told of all there is, and bounds it itself."""
    chosen = dict(word.split("=", 1) for word in arguments if word.startswith(("hydra/launcher=", "hydra/sweeper=")))
    if chosen.get("hydra/launcher", "stacked") != "stacked" and "hydra/sweeper" not in chosen:
        check_size(parsed_words(arguments))


def begin_sweep(folder: Path, runs_dir: str) -> None:
    """Note the folder into which Hydra will write the configuration of a sweep, even of one that is refused.

    Raises:
        UserError: it cannot be written into.
    """
    below = folder.absolute().is_relative_to(Path(runs_dir).absolute())
    if below:
        check_place(Path(runs_dir), f"runs_dir={runs_dir}")
    check_place(folder, f"hydra.sweep.dir={folder}")
    _session.begun[:] = [place for place in (folder, *folder.parents) if not place.exists()]


def train_points(
    points: Sequence[Mapping[str, Any]],
    sweep: str | None,
    directories: Sequence[Path] = (),
    names: Sequence[str] | None = None,
    launcher: Mapping[str, Any] | None = None,
    *,
    tables: bool = True,
) -> list[float | Failure]:
    """Train composed configurations and print their tables; return each run's validation score, or why it failed.

    Args:
        points: nested plain values, one for each run.
        sweep: the name of the sweep; None for a single run.
        directories: folders beside conf/ that hold variants.
        names: what errors call each point.
        launcher: the options below hydra.launcher; None for this process.
        tables: False prints no more than what failed: for one batch of a search, which has a summary of its own.
    """
    places = {} if names is None or len(points) == 1 else dict(enumerate(names))
    reading = Reading(directories)
    checked = []
    for position, point in enumerate(points):
        with _named(position, places):
            if "label" in point:
                raise UserError("label: follows from the variant and its equations; must be left out")
            checked.append(reading.run(point, with_torch=False))
    options = ExecutorOptions(executor="inline") if launcher is None else ExecutorOptions.read(launcher)
    positions = {run.identity: position for position, run in reversed(list(enumerate(checked)))}

    def check(runs: Sequence[RunConfiguration]) -> None:
        for run in runs:
            with _named(positions[run.identity], places):
                check_optimizer(run.optimizer)
        environ = dict(os.environ)  # the check takes from it what W&B is not to obey
        check_feasible(runs, options, slots())
        say(of_runs(checked, points), _session.said)
        say(of_loggers(checked, environ, sweep=sweep is not None), _session.said)
        single = sweep is None
        say(of_single(_session.words, checked[0]) if single else of_launcher(options, checked), _session.said)

    folder = Path(checked[0].runs_dir) / "sweeps" / (sweep or "")

    def executor() -> Executor:
        # what goes wrong in a single run is no matter of a table
        return Inline(raising=True) if sweep is None else _session.executor(options, checked[0], folder)

    def slots() -> int:
        return 1 if sweep is None else executor().slots

    check_swept(checked, points)
    if sweep is not None and tables:
        _say_what_seeds_cannot_decide(checked)
    if any(point.get("plan_only") for point in points):
        _print_plan(checked, options, folder, check)
        raise PlanOnly
    pending = {run.identity for run in missing(checked)}
    new = bool(pending)
    if tables:
        say(of_finished(checked, pending), _session.said)
    outcomes = execute(checked, sweep, options, executor, check)
    _print_outcomes(outcomes, checked[0], sweep, new=new, with_tables=tables)
    return [outcome if isinstance(outcome, Failure) else outcome.validation.score for outcome in outcomes]


def _say_what_seeds_cannot_decide(points: Sequence[RunConfiguration]) -> None:
    """Say, before anything is trained, that a comparison of variants has too few seeds for any outcome to count."""
    pending = missing(points)
    seeds: dict[str, set[int]] = {}
    for point in points:
        seeds.setdefault(point.label, set()).add(point.seed)
    if pending and len(seeds) > 1:
        tasks = len({point.task.name for point in points})
        planned = plan_comparison(min(map(len, seeds.values())), (len(seeds) - 1) * tasks)
        if not planned.decides:
            print(f"note: {planned.sentence}", file=sys.stderr)


@contextlib.contextmanager
def _named(position: int, names: Mapping[int, str]) -> Iterator[None]:
    """Add to an error which point of the sweep it is about."""
    try:
        yield
    except UserError as error:
        if position not in names:
            raise
        # an equation's error has a caret below its first line
        sentence, *caret = str(error).split("\n")
        place = f"(point {position + 1} of {len(names)}: {names[position]})"
        raise UserError("\n".join([f"{sentence} {place}", *caret])) from None


def _print_plan(checked: Sequence[RunConfiguration], options: ExecutorOptions, folder: Path, check: Any) -> None:
    """Print points and stacks at once, and then what each kind of stack costs, as it becomes known."""
    first, pending = checked[0], missing(checked)
    if not pending:
        print(plan_total(plan(checked), 1))
        return
    from gatelab.sweeps.estimate import kinds, tried, untried

    slots = _session.executor(options, first, folder).slots
    work = plan(checked, slots)
    slots = min(slots, len(work.stacks))
    planned = kinds(work.stacks)
    table = plan_table(planned)
    print(table.first(_MOST_ROWS).text(), end="")
    if len(planned) > _MOST_ROWS:
        print(f"the first {_MOST_ROWS} of {len(planned):,} kinds of stacks")
    print(f"\n{plan_total(work, slots)}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="gatelab-trial-") as trials,
        open_executor(ExecutorOptions(workers=1), first.threads, first.device, folder) as trial,
    ):
        trial.prepare(1)
        check(pending)
        print(f"\nwhat {_kinds_of_stacks(len(planned))} cost, from a few steps:", flush=True)
        costs = {}
        for place, cost in tried(planned, trial, Path(trials)):
            costs[place] = cost
            print(f"  {cost_line(planned[place], table.rows[place]['settings'], cost)}", flush=True)
    others = untried(planned, costs)
    total = cost_total([(planned[place], cost) for place, cost in sorted({**costs, **others}.items())], slots)
    print(f"\n{total}{of_untried(len(others))}")


def _kinds_of_stacks(count: int) -> str:
    return "it will" if count == 1 else f"each of the {count:,} kinds of stacks will"


def _print_outcomes(
    outcomes: Sequence[Result | Failure], first: RunConfiguration, sweep: str | None, *, new: bool, with_tables: bool
) -> None:
    results = list({outcome.identity: outcome for outcome in outcomes if isinstance(outcome, Result)}.values())
    failures = list({outcome.identity: outcome for outcome in outcomes if isinstance(outcome, Failure)}.values())
    tables = result_tables(results, sweep=sweep is not None) if results and with_tables else {}
    for name, table in tables.items():
        if name == "runs" and sweep is not None and len(table.rows) > _MOST_ROWS:
            shows = command_line("compare", f"runs={first.runs_dir}")
            print(f"{len(table.rows):,} runs have ended; {shows} shows them\n")
        else:
            print(table.text())
    if failures:
        _session.failed = True
        print(failures_table(failures).first(_MOST_ROWS).text())
        if len(failures) > _MOST_ROWS:
            print(f"the first {_MOST_ROWS} of {len(failures):,}; each has its reason in failed.json of its folder\n")
        print(f"{len(failures)} of {len(failures) + len(results)} runs failed; the same command tries them again")
    if with_tables:
        print(f"runs: {Path(first.runs_dir).resolve()}")
    if sweep is not None and new and tables:
        # torch and Lightning take seconds to import, and a sweep that was finished has logged its tables
        from gatelab.training.loggers.loggers import log_comparison

        log_comparison(first, sweep, {name: table.cells() for name, table in tables.items()})
