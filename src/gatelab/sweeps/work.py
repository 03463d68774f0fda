"""Train one stack in the current process, and report how it ended."""

import traceback
from collections.abc import Callable
from pathlib import Path

from gatelab.errors import LostProcessError, SharedError, UserError, kind_and_words
from gatelab.store import Stop, Stopped, forget_failure
from gatelab.store.faults import seed_fault
from gatelab.sweeps.job import Job, JobReport
from gatelab.sweeps.memory_estimate import is_out_of_memory, out_of_memory
from gatelab.sweeps.trial import measure
from gatelab.uncollected import uncollected

__all__ = ["OutOfMemory", "failed", "perform", "train"]

_LONGEST_DETAIL = 8000  # characters of a traceback, its end


def perform(
    job: Job,
    watch: Callable[[int, str], None] | None = None,
    asked: Callable[[], bool] | None = None,
    through: type[BaseException] = KeyboardInterrupt,
) -> JobReport:
    """Carry out a job; errors are in the report.

    Args:
        job: the stack.
        watch: called regularly with the steps taken and the loss; nothing is printed then.
        asked: called at every step; whether to stop. Signals stop it in any case.
        through: exceptions that are raised and not reported.
    """
    try:
        return _trial(job) if job.trial else train(job, watch, asked)
    except Stopped as stopped:
        return JobReport("stopped", signum=stopped.signum)
    except through:
        raise
    except BaseException as error:  # SystemExit as well: a run must not end the sweep
        return failed(error)


def failed(error: BaseException) -> JobReport:
    """Return the report of an exception."""
    reason = " ".join(str(error).split()) if isinstance(error, UserError) else kind_and_words(error)
    detail = "".join(traceback.format_exception(error))[-_LONGEST_DETAIL:]
    if isinstance(error, OutOfMemory | LostProcessError) or not isinstance(error, UserError):
        return JobReport("failed", reason=reason, detail=detail)
    return JobReport(
        "failed", reason=reason, detail=detail, helps="nothing" if isinstance(error, SharedError) else "dividing"
    )


class OutOfMemory(UserError):  # noqa: N818 - the name that it has in Python and torch
    """Memory ran out in a stack; a smaller stack may fit."""


def train(
    job: Job, watch: Callable[[int, str], None] | None = None, asked: Callable[[], bool] | None = None
) -> JobReport:
    """Train a stack; errors are raised.

    Raises:
        OutOfMemory: memory ran out; in one line.
    """
    # torch takes seconds to import
    with uncollected():
        from gatelab.sweeps.step_reports import Steps
        from gatelab.training import train_stack

    runs = job.runs()
    display = None if watch is None else Steps(watch)
    try:
        seed_fault([run.seed for run in runs])
        results = train_stack(runs, job.sweep, job.title, stop=Stop(asked), display=display)
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(out_of_memory(error, runs)) from error
    done = {result.identity for result in results}
    for run in runs:
        if run.identity in done:
            forget_failure(Path(run.runs_dir) / run.identity)
    return JobReport("done", taken=tuple(identity for identity in job.identities if identity not in done))


def _trial(job: Job) -> JobReport:
    return JobReport("done", numbers=measure(job.runs()))
