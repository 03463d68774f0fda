"""A SLURM cluster, through submitit; with ``cluster=local`` processes that submitit starts on this machine."""

import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from gatelab.errors import UserError, one_line
from gatelab.keys import SubmititKeys
from gatelab.sweeps.executors.executor import Executor, Handle
from gatelab.sweeps.executors.handed_in import HandedIn, Page
from gatelab.sweeps.executors.slurm import Queue, most_in_array, partition
from gatelab.sweeps.executors.submitit_jobs import StackJob, ask_to_end, left_behind, reap, report, without_a_word
from gatelab.sweeps.job import Job
from gatelab.sweeps.launcher_options import ExecutorOptions

__all__ = ["Submitit"]

_MINUTE = 60.0
_DAY = 24 * 60.0  # minutes of a job where neither the key nor the partition says
_GRACE = 5.0  # seconds from asking a process to end to ending it
_MANY = 1000  # stacks handed to the queue of a cluster at once, which has its own limits
_WARNED = 90  # seconds before its time limit at which a job is told, so that it writes its checkpoints
_TIME_LIMITS = 10_000  # how often a job may come to its time limit, and go on


class Submitit(Executor):
    """Submits each stack as a job of submitit; several at once are an array.

    Only the name of a function and a JSON text are pickled. A job that the cluster preempts or ends at its time
    limit is requeued by submitit, and continues from its checkpoints. What is handed in is written down beside the
    runs, so that the next launcher goes on with it.

    Args:
        options: below hydra.launcher.
        folder: for submitit's files and the output of jobs; every node must have access to it.
    """

    def __init__(self, options: ExecutorOptions, folder: Path) -> None:
        import submitit

        asked = options.submitit
        if asked.cluster is None and shutil.which("sbatch") and not shutil.which("srun"):
            raise UserError(
                "hydra.launcher.submitit.cluster=null: there is sbatch here, but no srun, by which submitit knows "
                "SLURM; allowed without it: local"
            )
        self._folder = folder / "submitit"
        try:
            self._executor = submitit.AutoExecutor(
                folder=self._folder, cluster=asked.cluster, slurm_max_num_timeout=_TIME_LIMITS
            )
        except RuntimeError as error:
            raise UserError(f"hydra.launcher.submitit.cluster={asked.cluster}: {one_line(error, 200)}") from error
        self._queue = Queue() if self._executor.cluster == "slurm" else None
        super().__init__(options.workers or (_MANY if self._queue else options.slots(threads=1, gpus=0)))
        if self._queue and options.workers is None:
            self.parts = 1
        named: dict[str, Any] = {"timeout_min": _minutes(asked, on_cluster=self._queue is not None)}
        if self._queue:
            named |= asked.model_dump(exclude={"cluster", "timeout_min", "parameters"}, exclude_none=True)
            named["slurm_array_parallelism"] = options.workers or _MANY
            # submitit's would be 90, and a job that may take no longer would be told to end when it begins
            named["slurm_signal_delay_s"] = min(_WARNED, ceil(_MINUTE * named["timeout_min"] / 4))
        elif asked.gpus_per_node:
            named["gpus_per_node"] = asked.gpus_per_node
        self._executor.update_parameters(**{**named, **asked.parameters})
        self._comment = str(asked.parameters.get("slurm_comment", ""))
        self._jobs: dict[Handle, Any] = {}
        self._end_at: dict[Handle, float] = {}
        self._pages = HandedIn(folder.parent / "handed-in")
        self._page_of: dict[Handle, Page] = {}
        self._open: dict[str, int] = {}  # by the mark of a page: its jobs that have not ended
        self._theirs: set[Handle] = set()  # for which another launcher waits too
        self._asked = False  # whether every job was asked to stop
        self._past: list[Handle] = []  # found with their reports, and not in the queue any more
        self._notes: list[str] = []
        self._told_at = time.monotonic()
        self._ended: list[Any] = []  # jobs that this process has waited for, and that have come to their end

    def submit(self, job: Job) -> Handle:
        """Put a stack into the queue; see :meth:`submit_all`."""
        return self.submit_all([job])[0]

    def submit_all(self, jobs: Sequence[Job]) -> list[Handle]:
        """Put stacks into the queue, as arrays.

        Raises:
            UserError: the cluster does not take it, with what it says.
        """
        if self._queue is None:
            return [self._handed_in(Handle(job), self._executor.submit(StackJob(), job.text())) for job in jobs]
        size = most_in_array() if len(jobs) > 1 else 1
        parts = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        return [handle for part in parts for handle in self._submit_page(part)]

    def _submit_page(self, jobs: Sequence[Job]) -> list[Handle]:
        from submitit.core.utils import FailedJobError

        page = self._pages.begin(jobs, self._folder)
        self._executor.update_parameters(slurm_comment=f"{self._comment} {page.mark}".strip())
        texts = [job.text() for job in jobs]
        try:
            if len(texts) == 1:
                given = [self._executor.submit(StackJob(), texts[0])]
            else:
                given = self._executor.map_array(StackJob(), texts)
        except FailedJobError as error:
            self._pages.forget(page.mark)
            said = next((line for line in str(error).splitlines() if "error:" in line), str(error))
            raise UserError(f"hydra.launcher.executor=submitit: {one_line(said.strip(), 200)}") from error
        page = replace(page, numbers=tuple(job.job_id for job in given))
        self._pages.write(page)
        self._open[page.mark] = len(given)
        handles = [self._handed_in(Handle(job), one) for job, one in zip(jobs, given, strict=True)]
        self._page_of |= dict.fromkeys(handles, page)
        return handles

    def _handed_in(self, handle: Handle, job: Any) -> Handle:
        self._jobs[handle] = job
        return handle

    def find(self, identities: Collection[str]) -> list[Handle]:
        """Return the jobs of earlier launchers for some runs that wait, run, or have failed; forget all that is past.

        Raises:
            UserError: the cluster does not answer.
        """
        if self._queue is None or not (pages := self._pages.pages()):
            return []
        self._queue.ask()
        wanted = set(identities)
        return [handle for page in pages for handle in self._taken_up(page, wanted)]

    def _taken_up(self, page: Page, wanted: set[str]) -> list[Handle]:
        """Return the jobs of a page for wanted runs, which are wanted no longer then."""
        if not self._pages.made_here(page):
            self._note(f"{page.mark}.json in {self._pages.folder} was not made there: its jobs are let be")
            return []
        there = self._still_there(page)
        if not there and not page.waited_for:
            self._pages.forget(page.mark)
        handles = []
        for place, job, shown in there:
            title, own = page.stacks[place]
            if not wanted & set(own):
                continue
            wanted -= set(own)
            handle = Handle(Job(title, (), own))
            if shown:
                self._handed_in(handle, job)
            else:
                handle.end(report(job, "not in the queue"))
                self._past.append(handle)
            handles.append(handle)
        if page.waited_for:
            self._theirs |= set(handles)
        elif handles:
            page = self._pages.take(page)
        self._page_of |= dict.fromkeys(handles, page)
        self._open[page.mark] = len(there)
        return handles

    def _still_there(self, page: Page) -> list[tuple[int, Any, bool]]:
        """Return the jobs of a page that go on, or have failed: place, submitit's object, whether the queue shows it.

        Only a job that bears the mark of the page in the queue is one of ours. The number that a page gives may be that
        of anything: it leads to what a job has left in this store, and to nothing else.
        """
        import submitit

        assert self._queue is not None
        found = []
        for place in range(len(page.stacks)):
            marked = self._queue.marked(page.mark, place)
            number = marked or next(iter(page.numbers[place : place + 1]), None)
            if number is None:
                continue
            job: Any = submitit.SlurmJob(folder=self._pages.folder_of(page), job_id=number)
            if marked is None and self._queue.goes_on(number):
                self._note(f"job {number} of {page.mark}.json does not bear its mark in SLURM's queue: let be")
            elif (marked and self._queue.goes_on(number)) or left_behind(job) == "failed":
                found.append((place, job, marked is not None))
        return found

    def _note(self, line: str) -> None:
        self._notes.append(one_line(line, 300))

    def detach(self) -> str:
        """Leave the jobs to the cluster, and return where they stand."""
        if self._queue is None:
            return super().detach()
        for page in {page.mark: page for handle, page in self._page_of.items() if handle not in self._theirs}.values():
            self._pages.take(page, left=True)
        jobs = [job.job_id for job in self._jobs.values()]
        self._queue.ask()
        self._jobs.clear()
        return self._queue.standing(jobs)

    def wait(self, seconds: float) -> list[Handle]:
        """Ask for the state of the jobs until one has ended.

        Raises:
            UserError: a node cannot have seen the folder, or a job would wait for ever.
        """
        if past := self._past:
            self._past = []
            for handle in past:
                self._close_page(handle)
            return past
        until = time.monotonic() + seconds
        while True:
            self._end_what_hangs()
            if self._queue:
                self._look(self._queue)
            ended = [handle for handle, job in self._jobs.items() if self._has_ended(handle, job)]
            if ended or time.monotonic() > until:
                break
            time.sleep(min(0.1, seconds))
        for handle, job in self._jobs.items():
            if not self._waits(job):
                handle.begun = handle.begun or time.monotonic()
        for handle in ended:
            job = self._jobs.pop(handle)
            state = self._queue.state(job.job_id) if self._queue else job.state
            if self._queue and without_a_word(job, state):
                node = self._queue.node(job.job_id)
                raise UserError(
                    f"hydra.launcher.executor=submitit: job {job.job_id} failed on {node} without a word in "
                    f"{job.paths.folder}: does this node see the folder? runs_dir must lie where all nodes do"
                )
            handle.end(report(job, state))
            self._close_page(handle)
            if handle not in self._theirs:
                self._ended.append(job)
        return ended

    def _look(self, queue: Queue) -> None:
        queue.look([job.job_id for job in self._jobs.values()])
        if found := queue.waits_for_ever([job.job_id for job in self._jobs.values()]):
            job, why = found
            raise UserError(f"hydra.launcher.executor=submitit: SLURM will never begin job {job}: {why}")

    def _close_page(self, handle: Handle) -> None:
        page = self._page_of.pop(handle, None)
        if page is None or handle in self._theirs:
            return
        self._open[page.mark] -= 1
        if not self._open[page.mark]:
            self._pages.forget(page.mark)

    def news(self) -> str:
        """Return what was found of jobs that are not ours, and where the jobs on the cluster stand, once a minute."""
        if self._notes:
            notes, self._notes = self._notes, []
            return "\n".join(notes)
        if self._queue is None or not self._jobs or time.monotonic() - self._told_at < _MINUTE:
            return ""
        self._told_at = time.monotonic()
        return self._queue.standing([job.job_id for job in self._jobs.values()], len(self._ended))

    def _has_ended(self, handle: Handle, job: Any) -> bool:
        if self._queue is None:
            return bool(job.done())
        left = job.paths.result_pickle
        if not left.exists() or self._asked or handle.given_up is not None or left_behind(job) != "stopped":
            return left.exists() or self._queue.has_ended(job.job_id)
        # the cluster has stopped it, and may put it back into its queue: then it goes on under the same number
        if self._queue.is_back(job.job_id):
            left.unlink(missing_ok=True)
        return self._queue.has_ended(job.job_id)

    def _waits(self, job: Any) -> bool:
        return self._queue.waits(job.job_id) if self._queue else job.state in ("PENDING", "UNKNOWN", "REQUEUED")

    def cancel(self, handle: Handle, reason: str) -> None:
        """Cancel a job on the cluster, unless another launcher waits for it."""
        if handle in self._jobs and handle not in self._theirs:
            handle.given_up = reason
            self._end_at[handle] = time.monotonic() + _GRACE
            ask_to_end(self._jobs[handle])

    def stop(self) -> None:
        """Cancel every job on the cluster; each gets SIGTERM first and has time for its checkpoint."""
        self._asked = True
        for handle, job in self._jobs.items():
            if handle not in self._theirs:
                ask_to_end(job)

    def close(self) -> None:
        """Remove all jobs from the queue and end their processes on this machine."""
        self.stop()
        for job in self._jobs.values():
            reap(job)
        self._jobs.clear()
        self._remove_what_came_back()

    def _remove_what_came_back(self) -> None:
        """Cancel jobs that were put back into the queue when they had done their work."""
        if self._queue is None or not self._ended:
            return
        with suppress(UserError):  # then they begin, find nothing to do, and end
            self._queue.ask()
        for job in self._ended:
            if self._queue.is_back(job.job_id):
                job.cancel(check=False)
        self._ended.clear()

    def _end_what_hangs(self) -> None:
        """Kill a hanging local job: submitit ignores SIGTERM. A cluster sends SIGKILL itself."""
        for handle, moment in list(self._end_at.items()):
            if time.monotonic() > moment:
                del self._end_at[handle]
                if handle in self._jobs:
                    self._jobs[handle].cancel(check=False)


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
