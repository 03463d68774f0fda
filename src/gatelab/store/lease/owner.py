"""The process that owns a claim, and whether it is still alive."""

import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["Owner", "this_process"]

_LONGEST = 300  # characters of a field
_MOST_PROCESSES = 2**22  # the largest pid of Linux


@dataclass(frozen=True)
class Owner:
    """A process that trains a run."""

    host: str
    """Name of the machine."""
    place: str
    """Distinguishes two machines of one name, or two containers on one machine; empty if unknown."""
    pid: int
    started: str
    """Start time of the process in clock ticks since boot; distinguishes processes when the system reuses a pid."""
    since: str
    """When it took the run: UTC, ISO 8601."""
    job: str = ""
    """Of a cluster, within which it is the only process that trains; a job that is put back into its queue keeps it."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"

    def to_mapping(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, mapping: dict[str, Any]) -> "Owner":
        """Return the owner in a mapping. Raises ValueError for a field that is missing or of the wrong kind."""
        texts: dict[str, str] = {}
        for name in ("host", "place", "started", "since"):
            text = mapping.get(name)
            if not isinstance(text, str) or len(text) > _LONGEST or not text.isprintable():
                raise ValueError(f"'{name}' of an owner is {text!r}")
            texts[name] = text
        pid = mapping.get("pid")
        # not a pid: 0 and below mean groups of processes in a call to kill
        if type(pid) is not int or not 0 < pid <= _MOST_PROCESSES:
            raise ValueError(f"not the number of a process: {pid!r}")
        job = mapping.get("job", "")
        if not isinstance(job, str) or len(job) > _LONGEST:
            raise ValueError(f"'job' of an owner is {job!r}")
        return cls(pid=pid, job=job, **texts)

    def this(self) -> bool:
        """Return whether it is this process."""
        mine = this_process()
        return (self.host, self.place, self.pid, self.started) == (mine.host, mine.place, mine.pid, mine.started)

    def here(self) -> bool:
        """Return whether it is a process of this machine, whose clock is this one's."""
        return bool(self.place) and (self.host, self.place) == (socket.gethostname(), _place())

    def alive(self) -> bool | None:
        """Return whether the process is alive and not stopped (by Ctrl-Z).

        None if unknown: it is on another machine, or stopped, and may continue or not.
        """
        if not (self.started and self.here()):
            # put back into the queue, a job has left one machine before it begins on another
            return False if self.job and self.job == _job() else None
        started = _started(self.pid)
        if started:
            return None if started == self.started and _stopped(self.pid) else started == self.started
        try:
            # /proc may hide processes of other users; signal 0 only checks and is not sent
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return None
        return False if _ended(self.pid) else None


def this_process() -> Owner:
    """Return this process as an owner."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    pid = os.getpid()
    return Owner(socket.gethostname(), _place(), pid, _started(pid), now, _job())


def _job() -> str:
    """Return the task of a job of SLURM that submitit has begun for this process alone; nothing in others."""
    if os.environ.get("SUBMITIT_EXECUTOR") != "slurm" or not os.environ.get("SLURM_JOB_ID"):
        return ""
    names = ("SLURM_CLUSTER_NAME", "SLURM_JOB_ID", "SLURM_PROCID")
    return " ".join(os.environ.get(name, "") for name in names)


@lru_cache
def _place() -> str:
    # since the boot of the machine, and in the same pid namespace: containers have their own
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux: only leases
        return ""


def _started(pid: int) -> str:
    """Return the start time of a running process, or an empty text."""
    fields = _fields(pid)
    return "" if not fields or fields[0] in _ENDED else fields[19]


def _ended(pid: int) -> bool:
    """Return whether the process is a zombie: it has exited, and its parent has not collected its status."""
    return _fields(pid)[:1] in ([state] for state in _ENDED)


def _stopped(pid: int) -> bool:
    return _fields(pid)[:1] in ([state] for state in "Tt")


def _fields(pid: int) -> list[str]:
    try:
        # the name in parentheses may contain anything; after it come the state and, as twentieth, the start time
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


_ENDED = "ZX"
