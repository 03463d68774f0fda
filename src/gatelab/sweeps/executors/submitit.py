"""A SLURM cluster, through submitit; with ``cluster=local`` processes that submitit starts on this machine."""

import subprocess
import time
from pathlib import Path
from typing import Any

from gatelab.sweeps.executors.executor import Executor, Handle
from gatelab.sweeps.job import Job, JobReport
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.work import perform

__all__ = ["Submitit"]

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
        self._executor = submitit.AutoExecutor(folder=folder / "submitit", cluster=asked.cluster)
        on_cluster = self._executor.cluster == "slurm"
        super().__init__(options.workers or (_MANY if on_cluster else options.slots(threads=1, gpus=0)))
        named: dict[str, Any] = {"timeout_min": asked.timeout_min}
        if on_cluster:
            named |= asked.model_dump(exclude={"cluster", "timeout_min", "parameters"}, exclude_none=True)
        elif asked.gpus_per_node:
            named["gpus_per_node"] = asked.gpus_per_node
        self._executor.update_parameters(**named, **asked.parameters)
        self._jobs: dict[Handle, Any] = {}
        self._end_at: dict[Handle, float] = {}

    def submit(self, job: Job) -> Handle:
        """Put a stack into the queue."""
        handle = Handle(job)
        self._jobs[handle] = self._executor.submit(StackJob(), job.text())
        return handle

    def wait(self, seconds: float) -> list[Handle]:
        """Ask for the state of the jobs until one has ended."""
        until = time.monotonic() + seconds
        while True:
            self._end_what_hangs()
            ended = [handle for handle, job in self._jobs.items() if job.done()]
            if ended or time.monotonic() > until:
                break
            time.sleep(min(0.1, seconds))
        for handle, job in self._jobs.items():
            if handle.begun is None and job.state not in ("PENDING", "UNKNOWN", "REQUEUED"):
                handle.begun = time.monotonic()
        for handle in ended:
            handle.end(_report(self._jobs.pop(handle)))
        return ended

    def cancel(self, handle: Handle, reason: str) -> None:
        """Cancel a job on the cluster."""
        handle.given_up = reason
        self._end_at[handle] = time.monotonic() + _GRACE
        _ask(self._jobs[handle])

    def stop(self) -> None:
        """Cancel every job on the cluster; each gets SIGTERM first and has time for its checkpoint."""
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


def _report(job: Any) -> JobReport:
    from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError

    _reap(job)
    try:
        if _process(job) is not None and not job.paths.result_pickle.exists():
            # submitit would wait 15 seconds for a slow file system; there is none here
            raise UncompletedJobError(job.stderr() or job.stdout() or "")
        return JobReport.from_text(job.result())
    except (UncompletedJobError, FailedJobError, FailedSubmissionError, OSError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = f"job {job.job_id} came to no end ({job.state})"
        return JobReport("failed", reason=reason, detail="\n".join(lines[-40:]))


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
