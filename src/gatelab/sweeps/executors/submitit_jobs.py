"""One job of submitit: what it does, what it leaves behind, and how it is ended.

A job leaves its report as text, beside submitit's own result. That one is a pickle, and is never loaded: a page of jobs
that were handed in is a file, and so is a result: a store may come from anybody.
"""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatelab.disk import write_atomically, writing
from gatelab.errors import UserError, one_line
from gatelab.reading import read_text
from gatelab.sweeps.job import Job, JobReport
from gatelab.sweeps.work import perform

__all__ = ["StackJob", "ask_to_end", "left_behind", "reap", "report", "without_a_word"]

_GRACE = 5.0  # seconds for a process that has ended, or is ending
_LONGEST_REASON, _LONGEST_SAID = 600, 200  # characters


class StackJob:
    """The function of a job, with the method that submitit calls to requeue it."""

    def __call__(self, text: str) -> str:
        """Train the stack in the text."""
        import submitit

        # submitit ends a requeued job by SystemExit
        found = perform(Job.from_text(text), watch=lambda step, loss: None, through=SystemExit).text()
        own = submitit.JobEnvironment()
        path = _report_path(own.paths.folder, own.job_id)
        with writing(path):
            write_atomically(path, found.encode())
        return found

    def checkpoint(self, text: str) -> Any:
        """Return the requeued job: the same one, because its runs resume from their checkpoints."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, text)


def left_behind(job: Any) -> str | None:
    """Return the kind of the report that a job has left, "failed" where it ended without one; None before its end."""
    if not job.paths.result_pickle.exists():
        return None
    found = _read(job)
    return "failed" if found is None else found.kind


def report(job: Any, state: str) -> JobReport:
    """Return the report of a job that has ended.

    Args:
        job: submitit's.
        state: in which it ended, for one that has left no report.
    """
    reap(job)
    # submitit's own result says only whether there is one; without it submitit would ask sacct, or wait 15 seconds
    found = _read(job) if job.paths.result_pickle.exists() else None
    if found is not None:
        return found
    lines = [line for line in (job.stderr() or job.stdout() or "").splitlines() if line.strip()]
    # such as that its node has no srun, or that memory was out
    said = f": {one_line(lines[-1], _LONGEST_SAID)}" if lines else ""
    reason = f"job {job.job_id} came to no end ({state}){said}"
    return JobReport("failed", reason=reason, detail="\n".join(lines[-40:]))


def _read(job: Any) -> JobReport | None:
    """Return the report that a job has left; None if there is none, or none that can be read."""
    try:
        found = JobReport.from_text(read_text(_report_path(job.paths.folder, job.job_id)))
        if found.kind not in ("done", "stopped", "failed") or not isinstance(found.detail, str):
            return None
        return replace(found, reason=one_line(found.reason, _LONGEST_REASON))
    except (UserError, KeyError, TypeError, ValueError, RecursionError):
        return None


def _report_path(folder: Path, number: str) -> Path:
    return Path(folder) / f"{number}_report.json"


def without_a_word(job: Any, state: str) -> bool:
    """Say whether a job has failed and has not even begun its output: its node does not see the folder."""
    return state == "FAILED" and not any(
        path.exists() for path in (job.paths.result_pickle, job.paths.stdout, job.paths.stderr)
    )


def ask_to_end(job: Any) -> None:
    """Ask a job to write its checkpoints and end."""
    # after submitit's cancel() a local job has no time for a checkpoint
    process = _process(job)
    if process is None:
        job.cancel(check=False)
    elif process.poll() is None:
        process.terminate()


def reap(job: Any) -> None:
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
