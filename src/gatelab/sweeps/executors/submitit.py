"""A SLURM cluster, through submitit; with ``cluster=local`` processes that submitit starts on this machine."""

import subprocess
import time
from math import ceil
from pathlib import Path
from typing import Any

from gatelab.errors import UserError, one_line
from gatelab.keys import SubmititKeys
from gatelab.sweeps.executors.executor import Executor, Handle
from gatelab.sweeps.executors.slurm import Queue, partition
from gatelab.sweeps.job import Job, JobReport
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.work import perform

__all__ = ["Submitit"]

_MINUTE = 60.0
_DAY = 24 * 60.0  # minutes of a job where neither the key nor the partition says
_GRACE = 5.0  # seconds from asking a process to end to ending it
_MANY = 1000  # stacks handed to the queue of a cluster at once, which has its own limits


class Submitit(Executor):
    """Submits each stack as a job of submitit.

    Only the name of a function and a JSON text are pickled. A job that the cluster preempts or ends at its time
    limit is requeued by submitit, and continues from its checkpoints.

    Args:
        options: below hydra.launcher.
        folder: for submitit's files and the output of jobs; every node must have access to it.
    """

    def __init__(self, options: ExecutorOptions, folder: Path) -> None:
        import submitit

        asked = options.submitit
        try:
            self._executor = submitit.AutoExecutor(folder=folder / "submitit", cluster=asked.cluster)
        except RuntimeError as error:
            raise UserError(f"hydra.launcher.submitit.cluster={asked.cluster}: {one_line(error, 200)}") from error
        self._queue = Queue() if self._executor.cluster == "slurm" else None
        super().__init__(options.workers or (_MANY if self._queue else options.slots(threads=1, gpus=0)))
        if self._queue and options.workers is None:
            self.parts = 1
        named: dict[str, Any] = {"timeout_min": _minutes(asked, on_cluster=self._queue is not None)}
        if self._queue:
            named |= asked.model_dump(exclude={"cluster", "timeout_min", "parameters"}, exclude_none=True)
        elif asked.gpus_per_node:
            named["gpus_per_node"] = asked.gpus_per_node
        self._executor.update_parameters(**named, **asked.parameters)
        self._jobs: dict[Handle, Any] = {}
        self._end_at: dict[Handle, float] = {}
        self._asked = False  # whether every job was asked to stop
        self._told_at = time.monotonic()

    def submit(self, job: Job) -> Handle:
        """Put a stack into the queue.

        Raises:
            UserError: the cluster does not take it, with what it says.
        """
        from submitit.core.utils import FailedJobError

        handle = Handle(job)
        try:
            self._jobs[handle] = self._executor.submit(StackJob(), job.text())
        except FailedJobError as error:
            said = next((line for line in str(error).splitlines() if "error:" in line), str(error))
            raise UserError(f"hydra.launcher.executor=submitit: {one_line(said.strip(), 200)}") from error
        return handle

    def wait(self, seconds: float) -> list[Handle]:
        """Ask for the state of the jobs until one has ended."""
        until = time.monotonic() + seconds
        while True:
            self._end_what_hangs()
            if self._queue:
                self._queue.look([job.job_id for job in self._jobs.values()])
            ended = [handle for handle, job in self._jobs.items() if self._has_ended(handle, job)]
            if ended or time.monotonic() > until:
                break
            time.sleep(min(0.1, seconds))
        for handle, job in self._jobs.items():
            if not self._waits(job):
                handle.begun = handle.begun or time.monotonic()
        for handle in ended:
            job = self._jobs.pop(handle)
            handle.end(_report(job, self._queue.state(job.job_id) if self._queue else job.state))
        return ended

    def news(self) -> str:
        """Return where the jobs on the cluster stand, once a minute."""
        if self._queue is None or not self._jobs or time.monotonic() - self._told_at < _MINUTE:
            return ""
        self._told_at = time.monotonic()
        return self._queue.standing([job.job_id for job in self._jobs.values()])

    def _has_ended(self, handle: Handle, job: Any) -> bool:
        if self._queue is None:
            return bool(job.done())
        left = job.paths.result_pickle
        if not left.exists() or self._asked or handle.given_up is not None or _left(job).kind != "stopped":
            return left.exists() or self._queue.has_ended(job.job_id)
        # the cluster has stopped it, and may put it back into its queue: then it goes on under the same number
        if self._queue.is_back(job.job_id):
            left.unlink(missing_ok=True)
        return self._queue.has_ended(job.job_id)

    def _waits(self, job: Any) -> bool:
        return self._queue.waits(job.job_id) if self._queue else job.state in ("PENDING", "UNKNOWN", "REQUEUED")

    def cancel(self, handle: Handle, reason: str) -> None:
        """Cancel a job on the cluster."""
        handle.given_up = reason
        self._end_at[handle] = time.monotonic() + _GRACE
        _ask(self._jobs[handle])

    def stop(self) -> None:
        """Cancel every job on the cluster; each gets SIGTERM first and has time for its checkpoint."""
        self._asked = True
        for job in self._jobs.values():
            _ask(job)

    def close(self) -> None:
        """Remove all jobs from the queue and end their processes on this machine."""
        self.stop()
        for job in self._jobs.values():
            _reap(job)
        self._jobs.clear()

    def _end_what_hangs(self) -> None:
        """Kill a hanging local job: submitit ignores SIGTERM. A cluster sends SIGKILL itself."""
        for handle, moment in list(self._end_at.items()):
            if time.monotonic() > moment:
                del self._end_at[handle]
                if handle in self._jobs:
                    self._jobs[handle].cancel(check=False)


class StackJob:
    """The function of a job, with the method that submitit calls to requeue it."""

    def __call__(self, text: str) -> str:
        """Train the stack in the text."""
        # submitit ends a requeued job by SystemExit
        return perform(Job.from_text(text), watch=lambda step, loss: None, through=SystemExit).text()

    def checkpoint(self, text: str) -> Any:
        """Return the requeued job: the same one, because its runs resume from their checkpoints."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, text)


def _minutes(asked: SubmititKeys, *, on_cluster: bool) -> int:
    """Return the minutes of a job: whole ones, within what the partition allows.

    Raises:
        UserError: the partition allows less than what is asked for.
    """
    if not on_cluster:
        return ceil(asked.timeout_min or _DAY)
    of = partition(asked.slurm_partition)
    most = _DAY if of.most_minutes is None else of.most_minutes
    if asked.timeout_min is None:
        return max(1, int(min(most, _DAY)))
    if of.most_minutes is not None and asked.timeout_min > of.most_minutes:
        raise UserError(
            f"hydra.launcher.submitit.timeout_min={asked.timeout_min:g}: partition {of.name} of SLURM gives a job at "
            f"most {of.most_minutes:g} minutes, and one that asks for more would wait for ever"
        )
    return ceil(asked.timeout_min)


def _report(job: Any, state: str) -> JobReport:
    from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError

    _reap(job)
    try:
        if not job.paths.result_pickle.exists():
            # submitit would ask sacct, or wait 15 seconds for a slow file system
            raise UncompletedJobError(job.stderr() or job.stdout() or "")
        return _left(job)
    except (UncompletedJobError, FailedJobError, FailedSubmissionError, OSError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = f"job {job.job_id} came to no end ({state})"
        return JobReport("failed", reason=reason, detail="\n".join(lines[-40:]))


def _left(job: Any) -> JobReport:
    """Return what a job has left behind."""
    return JobReport.from_text(job.result())


def _ask(job: Any) -> None:
    # after submitit's cancel() a local job has no time for a checkpoint
    process = _process(job)
    if process is None:
        job.cancel(check=False)
    elif process.poll() is None:
        process.terminate()


def _reap(job: Any) -> None:
    """Wait for the process of a local job that has ended or is ending."""
    process = _process(job)
    if process is not None:
        try:
            process.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            job.cancel(check=False)
            process.wait()


def _process(job: Any) -> "subprocess.Popen[bytes] | None":
    """Return the process that submitit has started for a job; None for one on a cluster."""
    return getattr(job, "_process", None)
