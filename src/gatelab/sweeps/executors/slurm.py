"""What SLURM says, asked with its own commands: the limits of its partitions, and where its jobs stand.

``squeue`` and ``scontrol`` are on every login node. ``sacct``, which submitit asks, needs an accounting database, and
many clusters have none: there a job that fails seems to wait for ever.
"""

import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from gatelab.errors import UserError, one_line, suggest

__all__ = ["Partition", "Queue", "partition"]

_PATIENCE = 60.0  # seconds for an answer of SLURM
_BETWEEN = 2.0  # seconds between two questions about jobs
_GONE = 20.0  # seconds after which a job that SLURM no longer lists, or lists as ended, has ended
# what a job does not come back from by itself; until it has stood for a while, a requeue may still follow
_ENDED = {
    "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "PREEMPTED",
    "REVOKED",
}  # fmt: skip
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
        self._asked_at = -_BETWEEN
        self._since: dict[str, float] = {}

    def look(self, jobs: Collection[str]) -> None:
        """Ask for the states of jobs, unless they were asked for just now. An answer that fails changes nothing."""
        now = time.monotonic()
        if not jobs or now - self._asked_at < _BETWEEN:
            return
        self._asked_at = now
        try:
            text = _asked("squeue", "--noheader", "--states=all", f"--user={os.geteuid()}", "--format=%A|%T|%r")
        except UserError:  # the controller may be away for a while
            return
        self._states = {job: (state, why) for job, state, why in (line.split("|", 2) for line in text.splitlines())}
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

    def standing(self, jobs: Collection[str]) -> str:
        """Return a line on jobs: how many run, how many wait, and for what."""
        runs = sum(not self.waits(job) for job in jobs)
        reasons = Counter(self._states.get(job, ("", "None"))[1] for job in jobs if self.waits(job))
        waiting = [f"{count} wait ({one_line(why, 80)})" for why, count in sorted(reasons.items())]
        return "SLURM: " + ", ".join([f"{runs} of {len(jobs)} jobs run", *waiting])

    def _may_have_ended(self, job: str) -> bool:
        return job not in self._states or self._states[job][0] in _ENDED


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
