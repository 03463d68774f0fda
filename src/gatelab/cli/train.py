"""Train a run, or with --multirun a sweep: the command `gatelab train`."""

import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from gatelab.configuration import RunConfiguration, added_directories, arranged, translated, using
from gatelab.locations import command_line
from gatelab.progress import Minutes
from gatelab.store import Result, Stopped
from gatelab.sweeps import ExecutorOptions, Failure, Interrupted, missing, plan
from gatelab.sweeps.executors import open_executor
from gatelab.sweeps.listener import Listener, PlannedWork, PlanOnly, Trained
from gatelab.sweeps.training_call import carry_out

__all__ = ["train"]


_MOST_ROWS = 50  # of a table on the terminal
_OF_A_RUN = ("-m", "--multirun", "-r", "--run")  # flags with which something is trained


def train(arguments: list[str]) -> int:
    """Train what the arguments describe: Hydra overrides, and Hydra's own flags such as ``-m`` and ``--cfg job``.

    Returns:
        the exit status: 0; 1 if a run of a sweep has failed; 130 or 143 if a signal has stopped it.

    Raises:
        UserError: in one line, before anything starts.
    """
    arguments = arranged(arguments)
    flags = [word for word in arguments if word.startswith("-") and not word.startswith("--config-dir=")]
    if set(flags) - set(_OF_A_RUN):
        _show(arguments)
        return 0
    try:
        return int(carry_out(arguments, _Terminal()).failed)
    except PlanOnly:
        return 0
    except (Stopped, Interrupted) as stop:
        print(stop, file=sys.stderr)
        return stop.status


def _show(arguments: list[str]) -> None:
    """Let Hydra show help or a configuration."""
    from gatelab.configuration.hydra_shows import show

    # the folders of a user are read as data, and Hydra does not see them
    words = [word for word in arguments if not word.startswith("--config-dir=")]
    with using(added_directories(arguments)), translated(arguments):
        show(words)


class _Terminal(Listener):
    """Prints: notes on stderr, tables on stdout."""

    def note(self, line: str) -> None:
        print(f"note: {line}", file=sys.stderr)

    finished_already = follows = note

    def __init__(self) -> None:
        self._minutes: dict[str, Minutes] = {}

    def prepares(self, done: int, points: int, what: str) -> None:
        """Say how many points there are before any is composed, and once a minute how far that is."""
        self._minutes.setdefault(what, Minutes()).tell(lambda: f"{done:,} of {points:,} points {what}")

    def begins(self, points: Sequence[RunConfiguration]) -> None:
        """Print a note if a comparison has too few seeds for any outcome to be significant."""
        from gatelab.statistics import plan_comparison

        seeds: dict[str, set[int]] = {}
        for point in points:
            seeds.setdefault(point.label, set()).add(point.seed)
        if len(seeds) > 1:
            tasks = len({point.task.name for point in points})
            planned = plan_comparison(min(map(len, seeds.values())), (len(seeds) - 1) * tasks)
            if not planned.decides and missing(points):
                self.note(planned.sentence)

    def problem(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def describes(self, lines: Iterable[str]) -> None:
        for line in lines:
            print(line, flush=True)

    def plans(self, plan: PlannedWork) -> None:
        _print_plan(plan)

    def left(self, line: str) -> None:
        print(line)

    def ended(self, trained: Trained) -> None:
        _print_outcomes(trained)


def _print_plan(asked: PlannedWork) -> None:
    """Print points and stacks at once, and then the cost of each kind of stack, as it is measured."""
    from gatelab.cli.outcome import cost_line, cost_total, of_untried, plan_table, plan_total

    first, pending = asked.points[0], missing(asked.points)
    if not pending:
        print(plan_total(plan(asked.points), 1))
        return
    from gatelab.sweeps.estimate import kinds, tried, untried

    work = plan(asked.points, asked.parts())
    slots = min(asked.slots(), len(work.stacks))
    planned = kinds(work.stacks)
    table = plan_table(planned)
    print(table.first(_MOST_ROWS).text(), end="")
    if len(planned) > _MOST_ROWS:
        print(f"the first {_MOST_ROWS} of {len(planned):,} kinds of stacks")
    print(f"\n{plan_total(work, slots)}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="gatelab-trial-") as trials,
        open_executor(ExecutorOptions(workers=1), first.threads, first.device, asked.folder) as trial,
    ):
        trial.prepare(1)
        asked.check(pending)
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


def _print_outcomes(trained: Trained) -> None:
    from gatelab.cli.outcome import failures_table, result_tables

    outcomes, first, sweep = trained.outcomes, trained.first, trained.sweep
    results = list({outcome.identity: outcome for outcome in outcomes if isinstance(outcome, Result)}.values())
    failures = list({outcome.identity: outcome for outcome in outcomes if isinstance(outcome, Failure)}.values())
    tables = result_tables(results, sweep=sweep is not None) if results and trained.tables else {}
    for name, table in tables.items():
        if name == "runs" and sweep is not None and len(table.rows) > _MOST_ROWS:
            shows = command_line("compare", f"runs={first.runs_dir}")
            print(f"{len(table.rows):,} runs have ended; {shows} shows them\n")
        else:
            print(table.text())
    if failures:
        print(failures_table(failures).first(_MOST_ROWS).text())
        if len(failures) > _MOST_ROWS:
            print(f"the first {_MOST_ROWS} of {len(failures):,}; each has its reason in failed.json of its folder\n")
        print(f"{len(failures)} of {len(failures) + len(results)} runs failed; the same command tries them again")
    if trained.tables:
        print(f"runs: {Path(first.runs_dir).resolve()}")
    if sweep is not None and trained.new and tables:
        # torch takes seconds to import, and a sweep that was already finished has logged its tables
        from gatelab.training.loggers.loggers import log_comparison

        log_comparison(first, sweep, {name: table.cells() for name, table in tables.items()})
