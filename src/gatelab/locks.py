"""Locks on files, between processes of one machine; the system releases them when a process ends, also after a kill.

The claim on a run is different (``store/lease``): several machines can share a store, and these locks are unreliable on
a shared disk. A claim ends when its owner, perhaps on another machine, no longer renews it; its number prevents a
process that lost it from writing.
"""

import fcntl
import time
from typing import IO, Any

__all__ = ["take_lock"]

_POLL = 0.05  # seconds between two tries


def take_lock(file: int | IO[Any], seconds: float = 0.0) -> bool:
    """Lock an open file until it is closed; wait this many seconds for another process. Return whether it is locked.

    Raises:
        OSError: a file system without locks.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL)
        else:
            return True
