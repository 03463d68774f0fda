"""What SLURM says, asked with its own commands: the limits of its partitions, and where its jobs stand.

``squeue`` and ``scontrol`` are on every login node. ``sacct``, which submitit asks, needs an accounting database, and
many clusters have none: there a job that fails seems to wait for ever.
"""

import os
import re
import subprocess
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gatelab.errors import UserError, one_line, suggest

__all__ = ["Partition", "Queue", "most_in_array", "partition"]

_PATIENCE = 60.0  # seconds for an answer of SLURM
_BETWEEN = 2.0  # seconds between two questions about jobs
_LARGEST_ARRAY = 500
_GONE = 20.0  # seconds after which a job that SLURM no longer lists, or lists as ended, has ended
# what a job does not come back from by itself; until it has stood for a while, a requeue may still follow
_ENDED = {
    "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "PREEMPTED",
    "REVOKED",
}  # fmt: skip
# of a partition that takes jobs of some accounts, and another is asked for: "Job's account not permitted to use …"
_NEVER, _REFUSED = {"InvalidAccount", "InvalidQOS", "PartitionTimeLimit"}, ("Job's account", "Job's QOS")
_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}


@dataclass(frozen=True)
class Partition:
    """A partition of the cluster, and the most minutes that it gives a job; None for no limit."""

    name: str
    most_minutes: float | None


def partition(name: str | None) -> Partition:
    """Return a partition, or the default one.

    Raises:
        UserError: SLURM cannot be reached, or has no such partition.
    """
    found = dict(_fields(line) for line in _asked("scontrol", "show", "partition", "--oneliner").splitlines() if line)
    chosen = name or next((each for each, fields in found.items() if fields.get("Default") == "YES"), None)
    if chosen is None:
        raise UserError(
            f"hydra.launcher.submitit.slurm_partition: SLURM has no default one; must be one of {_list(found)}"
        )
    if chosen not in found:
        raise UserError(
            f"hydra.launcher.submitit.slurm_partition={chosen}: SLURM has no such partition{suggest(chosen, found)}; "
            f"must be one of {_list(found)}"
        )
    return Partition(chosen, minutes(found[chosen].get("MaxTime", "UNLIMITED")))


def most_in_array() -> int:
    """Return how many jobs SLURM takes at most as one array; 1 where it takes none."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _asked("scontrol", "show", "config"), re.MULTILINE)
    # the largest index is below that number
    return max(1, min(_LARGEST_ARRAY, int(found[1]) - 1)) if found else 1


def _fields(line: str) -> tuple[str, dict[str, str]]:
    fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
    return fields.get("PartitionName", ""), fields


def _list(found: Collection[str]) -> str:
    return ", ".join(sorted(found))


def minutes(text: str) -> float | None:
    """Return a time limit as SLURM writes it, [days-]hours:minutes:seconds, in minutes; None for none."""
    parts = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if parts is None:
        return None
    days, hours, whole, seconds = (int(part or 0) for part in parts.groups())
    return (days * 24 + hours) * 60 + whole + seconds / 60


class Queue:
    """Where the jobs of this user stand, as SLURM last said.

    A job may be put back into the queue (``scontrol requeue``, a preemption, a node that fails): it then waits again
    under the same number. So a job has ended only after it has been listed as ended, or not at all, for some time.
    """

    def __init__(self) -> None:
        self._states: dict[str, tuple[str, str]] = {}
        self._nodes: dict[str, str] = {}
        self._marked: dict[str, list[str]] = {}
        self._asked_at = -_BETWEEN
        self._since: dict[str, float] = {}

    def look(self, jobs: Collection[str]) -> None:
        """Ask for the states of jobs, unless they were asked for just now. An answer that fails changes nothing."""
        now = time.monotonic()
        if not jobs or now - self._asked_at < _BETWEEN:
            return
        self._asked_at = now
        with suppress(UserError):  # the controller may be away for a while
            self.ask()
            self._note(jobs, now)

    def ask(self) -> None:
        """Ask for the states of all jobs of this user, those of an array one by one.

        Raises:
            UserError: SLURM does not answer.
        """
        # the comment, which may hold anything, is last
        form = "--format=%i|%T|%r|%N|%k"
        text = _asked("squeue", "--noheader", "--array", "--states=all", f"--user={os.geteuid()}", form)
        self._states, self._nodes, self._marked = {}, {}, {}
        for line in text.splitlines():
            job, state, why, nodes, comment = line.split("|", 4)
            self._states[job], self._nodes[job] = (state, why), nodes
            for word in comment.split():
                self._marked.setdefault(word, []).append(job)

    def _note(self, jobs: Collection[str], now: float) -> None:
        for job in jobs:
            if self._may_have_ended(job):
                self._since.setdefault(job, now)
            else:
                self._since.pop(job, None)

    def has_ended(self, job: str) -> bool:
        """Say whether SLURM has done with a job."""
        return time.monotonic() - self._since.get(job, float("inf")) > _GONE

    def is_back(self, job: str) -> bool:
        """Say whether a job that ran before was last seen to wait."""
        return self._states.get(job, ("", ""))[0] in _WAITING

    def waits(self, job: str) -> bool:
        """Say whether a job waits for its start."""
        return self._states.get(job, ("PENDING", ""))[0] in _WAITING

    def state(self, job: str) -> str:
        """Return the state of a job as SLURM calls it."""
        return self._states.get(job, ("not in the queue", ""))[0]

    def marked(self, mark: str, place: int) -> str | None:
        """Return the number of the job with a mark in its comment, at a place of its array; None if none is listed."""
        found = self._marked.get(mark, [])
        return next((job for job in found if job.endswith(f"_{place}") or (not place and "_" not in job)), None)

    def waits_for_ever(self, jobs: Collection[str]) -> tuple[str, str] | None:
        """Return the first job that waits for what will not come, and why, as SLURM says it."""
        for job in jobs:
            state, why = self._states.get(job, ("", ""))
            if state == "PENDING" and (why in _NEVER or why.startswith(_REFUSED)):
                return job, one_line(why, 200)
        return None

    def goes_on(self, job: str) -> bool:
        """Say whether a job is listed, and not as ended."""
        return not self._may_have_ended(job)

    def node(self, job: str) -> str:
        """Return the nodes that a job was given."""
        return self._nodes.get(job) or "a node"

    def standing(self, jobs: Collection[str], ended: int = 0) -> str:
        """Return a line on jobs: how many run, how many wait, and for what; and how many others have ended."""
        runs = sum(not self.waits(job) for job in jobs)
        waiting: dict[str, list[str]] = {}
        for job in jobs:
            if self.waits(job):
                waiting.setdefault(one_line(self._states.get(job, ("", "None"))[1], 80), []).append(job)
        done = [f"{ended} ended"] if ended else []
        return "SLURM: " + ", ".join(
            [f"{runs} of {len(jobs)} jobs run", *(_told(why, waiting[why]) for why in sorted(waiting)), *done]
        )

    def _may_have_ended(self, job: str) -> bool:
        return job not in self._states or self._states[job][0] in _ENDED


def _told(why: str, jobs: Sequence[str]) -> str:
    # a job whose launch has failed is put back and held: it waits until somebody says otherwise
    one = "it" if len(jobs) == 1 else "one"
    release = f"; `scontrol release {jobs[0]}` lets {one} go on" if "held" in why.lower() else ""
    return f"{len(jobs)} wait ({why}{release})"


def _asked(*command: str) -> str:
    """Return what a command of SLURM prints.

    Raises:
        UserError: with the first line of what it says instead.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = (
            f"no answer in {_PATIENCE:g} seconds" if isinstance(error, subprocess.TimeoutExpired) else error.strerror
        )
        raise UserError(f"hydra.launcher.executor=submitit: {command[0]}: {reason}") from error
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if line.strip()), f"status {done.returncode}")
        raise UserError(f"hydra.launcher.executor=submitit: {one_line(said, 200)}")
    return done.stdout
