"""A process that imports what training needs once, and forks workers, which begin at once and share its memory.

Forking is safe while a process has a single thread: a lock that another thread holds would stay held for ever. Nothing
is computed here, so no library has begun threads, but for OpenBLAS, which ends its threads before a fork. If there is
another thread all the same, workers are started as new processes.
"""

import json
import os
import random
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from gatelab.sweeps import worker_process
from gatelab.uncollected import uncollected

__all__ = ["HEADER", "STATUS", "main"]

HEADER = struct.Struct("!I")  # bytes of the request that follows; with it come stdin, stdout and stderr of a worker
STATUS = struct.Struct("!i")  # how a worker ended: its exit status, or the negative number of a signal
_STREAMS = 3


def main() -> None:
    """Answer requests from the socket that is stdin, until it is closed; in a fork, be a worker."""
    requests = socket.socket(fileno=os.dup(0))
    # what exists now is not looked at again: the pages would be copied by every worker
    with uncollected(keep=True):
        import gatelab.training.fit  # noqa: F401
    may_fork = _has_one_thread()
    while (received := _received(requests)) is not None:
        request, streams = received
        if "wait" in request:
            requests.sendall(STATUS.pack(_ended(request["wait"])))
            continue
        environment = {name: value for name, value in os.environ.items() if name not in request["unset"]}
        environment |= request["set"]
        if not may_fork:
            _spawn(streams, environment)
        elif os.fork() == 0:
            requests.close()
            _become_worker(streams, environment)
            return
        for stream in streams:
            os.close(stream)


def _has_one_thread() -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return len(os.listdir("/proc/self/task")) == 1


def _received(requests: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next request, and the streams of a worker if it asks for one; None when the launcher has ended."""
    with suppress(ConnectionError):
        header, streams, _, _ = socket.recv_fds(requests, HEADER.size, _STREAMS)
        for stream in streams:
            os.set_inheritable(stream, False)
        if len(header) == HEADER.size:
            (left,) = HEADER.unpack(header)
            return json.loads(requests.recv(left, socket.MSG_WAITALL)), list(streams)
    return None


def _ended(pid: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return 0


def _spawn(streams: Sequence[int], environment: dict[str, str]) -> None:
    command = [sys.executable, "-P", "-m", worker_process.__name__]
    actions = [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)]
    os.posix_spawn(sys.executable, command, environment, file_actions=actions, setsid=True)


def _become_worker(streams: Sequence[int], environment: dict[str, str]) -> None:
    # a session of its own: Ctrl-C reaches only the launcher, and what a worker starts ends with its group
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()  # drawn at the start of a process otherwise
    worker_process.main()


if __name__ == "__main__":
    main()
