"""Carry out a sweep, from its checked points to the result of each."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from gatelab.configuration import RunConfiguration
from gatelab.errors import UserError
from gatelab.store import Failure, Result, Stop
from gatelab.store.stopping import Interrupted
from gatelab.sweeps.executors import Executor
from gatelab.sweeps.executors.inline import Inline
from gatelab.sweeps.finished_runs import each_once, finished, missing, stores_of
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.listener import Detached
from gatelab.sweeps.plan import Plan, plan
from gatelab.sweeps.scheduler import Scheduler
from gatelab.sweeps.sweep_progress import View, print_line

__all__ = ["execute", "finished", "missing"]

_SHOWN = 5  # damaged runs that are named
_DEFAULT = ExecutorOptions()


def execute(
    configurations: Sequence[RunConfiguration],
    sweep: str | None = None,
    options: ExecutorOptions = _DEFAULT,
    open_executor: Callable[[], Executor] = Inline,
    check: Callable[[Sequence[RunConfiguration]], None] = lambda runs: None,
    say: Callable[[str], None] = print_line,
    done: Mapping[str, Result] | None = None,
) -> list[Result | Failure]:
    """Train the missing runs and return the outcome of every point, in order.

    Args:
        configurations: the points.
        sweep: the name under which loggers group the runs.
        options: when a stack is given up, and how often a run is tried.
        open_executor: returns the executor, to be closed by the caller; called only if a run is missing.
        check: checks the missing runs while the executor starts, and raises UserError to refuse them.
        say: called with each problem, in one line, where no progress bar is shown.
        done: the results of finished points, just read by the caller (:func:`finished`); None reads them.

    Raises:
        UserError: data that cannot be read; before anything is trained.
        Interrupted: a signal has stopped the sweep; the trained runs are in the store.
        Detached: the stacks are in the queue of a cluster, as ``options.detach`` asks.
    """
    failures: dict[str, Failure] = {}
    done = finished(configurations) if done is None else done
    pending = [run for run in each_once(configurations) if run.identity not in done]
    _clear_up(configurations, pending)
    if pending:
        executor = open_executor()
        executor.prepare(len(pending))
        check(pending)
        _say_what_is_damaged(pending, say)
        work = plan(configurations, executor.parts)
        failures = _carry_out(work, executor, options, sweep, View(quiet=not configurations[0].progress, say=say))
    # a run that was finished before has been read already; a large store takes minutes to read
    outcomes: dict[str, Result | Failure] = {**done, **failures, **finished(pending)}
    return [outcomes[run.identity] for run in configurations]


def _clear_up(configurations: Sequence[RunConfiguration], pending: Sequence[RunConfiguration]) -> None:
    left, stores = {run.identity for run in pending}, stores_of(configurations)
    for run in configurations:
        if run.identity not in left:
            with suppress(OSError, UserError):  # a store that may only be read, a claim that is no file
                stores[run.runs_dir].clear_up(run.identity)


def _say_what_is_damaged(pending: Sequence[RunConfiguration], say: Callable[[str], None]) -> None:
    """Report finished runs that are trained again because one of their files is damaged."""
    damaged = []
    for folder, store in stores_of(pending).items():
        for identity in store.begun([run.identity for run in pending if run.runs_dir == folder]):
            if store.finished(identity) is None and identity in store.damaged:
                damaged.append(store.damaged[identity])
    for one in damaged[:_SHOWN]:
        say(f"{one}; the run is trained again")
    if len(damaged) > _SHOWN:
        say(f"and so are {len(damaged) - _SHOWN} more damaged runs")


def _carry_out(
    work: Plan, executor: Executor, options: ExecutorOptions, sweep: str | None, view: View
) -> dict[str, Failure]:
    stop = Stop(sweep=True)
    with stop.on_signals(), view:
        scheduler = Scheduler(work.stacks, executor, options, sweep, view, stop, len(work.finished))
        if options.detach:
            raise Detached(scheduler.hand_in())
        scheduler.run()
    if stop.signum is not None:
        runs = [run for stack in work.stacks for run in stack]
        left = len(missing(runs))
        total = len(work.finished) + len(runs)
        sentence = f"stopped: {total - left} of {total} runs are finished; the same command goes on with the others"
        raise Interrupted(sentence, stop.signum)
    return scheduler.failures
