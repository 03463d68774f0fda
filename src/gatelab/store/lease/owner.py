"""Which process a claim belongs to, and whether that process is still there."""

import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["Owner", "this_process"]

_LONGEST = 300  # characters of a field
_MOST_PROCESSES = 2**22  # the largest number that Linux gives to a process


@dataclass(frozen=True)
class Owner:
    """A process that trains a run."""

    host: str
    """Name of the machine."""
    place: str
    """What tells two machines of one name, or two containers on one machine, apart; empty where that is unknown."""
    pid: int
    started: str
    """When the process began, as the system counts: a number is given to another process after a while."""
    since: str
    """When it took the run: UTC, ISO 8601."""

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
        # a number of no process: 0 and below mean groups of processes, and would be asked after
        if type(pid) is not int or not 0 < pid <= _MOST_PROCESSES:
            raise ValueError(f"not the number of a process: {pid!r}")
        return cls(pid=pid, **texts)

    def this(self) -> bool:
        """Say whether it is this process."""
        mine = this_process()
        return (self.host, self.place, self.pid, self.started) == (mine.host, mine.place, mine.pid, mine.started)

    def alive(self) -> bool | None:
        """Say whether the process lives: it is there and not stopped, as by Ctrl-Z.

        None where nobody can say: it is on another machine, or stopped, and may go on or not.
        """
        if not (self.place and self.started) or (self.host, self.place) != (socket.gethostname(), _place()):
            return None
        started = _started(self.pid)
        if started:
            return None if started == self.started and _stopped(self.pid) else started == self.started
        try:
            # what another user's process has in /proc may be hidden; a signal of number 0 is never sent
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
    return Owner(socket.gethostname(), _place(), pid, _started(pid), now)


@lru_cache
def _place() -> str:
    # since this start of the machine, and within the same table of processes: containers have their own
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux: leases have to do
        return ""


def _started(pid: int) -> str:
    """Return the start time of a process that runs, or an empty text."""
    fields = _fields(pid)
    return "" if not fields or fields[0] in _ENDED else fields[19]


def _ended(pid: int) -> bool:
    """Say whether only the entry of a process is left, which nobody has asked for yet; it writes nothing any more."""
    return _fields(pid)[:1] in ([state] for state in _ENDED)


def _stopped(pid: int) -> bool:
    return _fields(pid)[:1] in ([state] for state in "Tt")


def _fields(pid: int) -> list[str]:
    try:
        # the name in parentheses may hold anything; after it come the state and, twentieth, the start time
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


_ENDED = "ZX"
