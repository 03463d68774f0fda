"""How a worker is started: forked by a process that has imported everything, or as a new process."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from gatelab.store.provenance import COMMAND
from gatelab.sweeps.forking_process import HEADER, STATUS

__all__ = ["Forker", "Started", "can_fork", "new_process"]

_SOURCE = Path(__file__).resolve().parents[3]  # the folder that holds gatelab


class Started(ABC):
    """A worker, in its own session. Its streams are text.

    Args:
        stdin, stdout, stderr: this side of them.
    """

    def __init__(self, stdin: IO[str], stdout: IO[str], stderr: IO[str]) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr

    @abstractmethod
    def announced(self, pid: int) -> None:
        """Note the number of its process, which is the first that it says."""

    @property
    @abstractmethod
    def began(self) -> bool:
        """Whether its process is known."""

    @abstractmethod
    def end_softly(self) -> None:
        """Send SIGTERM."""

    @abstractmethod
    def kill(self) -> None:
        """Kill its whole session: loggers start processes of their own."""

    @abstractmethod
    def wait(self) -> int | None:
        """Return how it ended, after it was killed: a status, or the negative number of a signal; None if unknown."""


class _NewProcess(Started):
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gatelab.sweeps.worker_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            start_new_session=True,
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        super().__init__(self.process.stdin, self.process.stdout, self.process.stderr)

    def announced(self, pid: int) -> None:
        """Ignore it, for it is known."""

    @property
    def began(self) -> bool:
        return True

    def end_softly(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait(self) -> int | None:
        # waited for only after its group was killed: until then the system does not reuse its pid
        return self.process.wait()


def new_process(gpu: Mapping[str, str]) -> Started:
    """Start a worker as a new process, which sees one GPU.

    Args:
        gpu: the variable of the environment that says which.
    """
    return _NewProcess({**_environment(), **gpu})


def can_fork() -> bool:
    """Return whether workers are forked here. Elsewhere libraries of the system may have threads that nobody sees."""
    return sys.platform == "linux"


class Forker:
    """The process that forks workers (:mod:`gatelab.sweeps.forking_process`); it ends with this one."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._environment = _environment()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gatelab.sweeps.forking_process"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def start(self) -> Started:
        """Start a worker; it begins when everything has been imported.

        Raises:
            OSError: the forking process has ended.
        """
        now = _environment()
        request = {
            "set": {name: value for name, value in now.items() if self._environment.get(name) != value},
            "unset": [name for name in self._environment if name not in now],
        }
        (their_input, our_input), (our_output, their_output), (our_errors, their_errors) = (os.pipe() for _ in range(3))
        theirs = [their_input, their_output, their_errors]
        fork = _Fork(self, our_input, our_output, our_errors)
        try:
            with self._lock:
                self._send(request, theirs)
        except OSError:
            fork.close()
            raise
        finally:
            for one in theirs:
                os.close(one)
        return fork

    def wait(self, pid: int) -> int | None:
        """Return how a worker ended, which has been killed; None if the forking process ended before."""
        with self._lock, contextlib.suppress(OSError):
            self._send({"wait": pid}, [])
            answer = self._socket.recv(STATUS.size, socket.MSG_WAITALL)
            if len(answer) == STATUS.size:
                return int(STATUS.unpack(answer)[0])
        return None

    def _send(self, request: object, streams: list[int]) -> None:
        text = json.dumps(request).encode()
        socket.send_fds(self._socket, [HEADER.pack(len(text))], streams)
        self._socket.sendall(text)

    def close(self) -> None:
        """End it. A worker that it has not begun yet is never begun."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._socket.close()


class _Fork(Started):
    def __init__(self, forker: Forker, stdin: int, stdout: int, stderr: int) -> None:
        super().__init__(
            os.fdopen(stdin, "w", encoding="utf-8", errors="replace"),
            os.fdopen(stdout, encoding="utf-8", errors="replace"),
            os.fdopen(stderr, encoding="utf-8", errors="replace"),
        )
        self._forker = forker
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._unwanted = False
        self._waited = False
        self._status: int | None = None

    def announced(self, pid: int) -> None:
        with self._lock:
            self._pid = pid
            unwanted = self._unwanted
        if unwanted:
            self.kill()

    @property
    def began(self) -> bool:
        return self._pid is not None

    def end_softly(self) -> None:
        self._send(os.kill, signal.SIGTERM)

    def kill(self) -> None:
        self._send(os.killpg, signal.SIGKILL)

    def _send(self, send: Callable[[int, int], None], number: int) -> None:
        # its pid is its own until the forking process has waited for it, or has ended
        with self._lock:
            self._unwanted = True
            if self._pid is not None and not self._waited and self._forker.alive:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    send(self._pid, number)

    def wait(self) -> int | None:
        with self._lock:
            if not self._waited and self._pid is not None:
                self._status = self._forker.wait(self._pid)
            self._waited = True
            return self._status

    def close(self) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            stream.close()


def _environment() -> dict[str, str]:
    """Return the environment of a worker."""
    path = os.pathsep.join([str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {COMMAND: json.dumps(sys.argv), **os.environ, "PYTHONPATH": path}
