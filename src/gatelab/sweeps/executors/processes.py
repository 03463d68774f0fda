"""Processes of this machine: a stack that crashes ends only its own worker."""

import contextlib
import json
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import IO

from gatelab.sweeps.executors.devices import VARIABLE
from gatelab.sweeps.executors.executor import Executor, Handle
from gatelab.sweeps.executors.worker_start import Forker, Started, can_fork, new_process
from gatelab.sweeps.job import Job, JobReport

__all__ = ["Processes"]

_GRACE = 5.0  # seconds from asking a worker to end to ending it
_LINES = 30  # last lines on stderr, quoted after a crash
_PID = '{"pid": '  # the first that a worker says


class Processes(Executor):
    """Workers, each in its own session, so that Ctrl-C reaches only the launcher.

    A worker trains one stack after another and is replaced when it dies, or when a stack fails in it. It ends with
    the launcher. Without GPUs workers are forked by a process that has imported everything, so that imports take their
    time once for all of them.

    Args:
        slots: workers at once.
        gpus: names of GPUs, of which each worker sees one; empty where there is none.
    """

    def __init__(self, slots: int, gpus: Sequence[str] = ()) -> None:
        super().__init__(slots)
        self._gpus = tuple(gpus)
        self._workers: list[_Worker] = []
        self._forker: Forker | None = None
        self._heard: queue.SimpleQueue[tuple[_Worker, str | None]] = queue.SimpleQueue()

    def prepare(self, jobs: int) -> None:
        """Start workers, which import modules while the launcher plans."""
        while len(self._workers) < min(self.slots, jobs):
            self._start()

    def submit(self, job: Job) -> Handle:
        """Give a job to a worker."""
        handle = Handle(job, watched=True)
        idle = [worker for worker in self._workers if worker.handle is None]
        # a worker that died unnoticed accepts no job
        if not any(worker.give(handle) for worker in idle):
            self._start().give(handle)
        return handle

    def wait(self, seconds: float) -> list[Handle]:
        """Receive messages from the workers."""
        ended = []
        now = time.monotonic()
        for worker in self._workers:
            if worker.kill_at is not None and now > worker.kill_at:
                worker.kill()
        with contextlib.suppress(queue.Empty):
            ended += self._hear(*self._heard.get(timeout=seconds))
            while True:
                ended += self._hear(*self._heard.get_nowait())
        return ended

    def cancel(self, handle: Handle, reason: str) -> None:
        """End the worker: first by a signal, so that a slow stack can write its checkpoint, then by SIGKILL."""
        handle.given_up = reason
        for worker in self._workers:
            if worker.handle is handle:
                worker.end_softly()

    def stop(self) -> None:
        """Ask every worker that trains to stop."""
        for worker in self._workers:
            if worker.handle is not None:
                worker.end_softly()

    def close(self) -> None:
        """Kill the workers: an idle one has nothing to save."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            if worker.began:
                worker.death()
        if self._forker is not None:
            self._forker.close()
            self._forker = None
        for worker in self._workers:
            if not worker.began:
                worker.death()
        self._workers.clear()

    def _start(self) -> "_Worker":
        taken = [worker.gpu for worker in self._workers]
        gpu = min(self._gpus, key=taken.count) if self._gpus else None
        worker = _Worker(gpu, self._heard, partial(self._started, gpu))
        self._workers.append(worker)
        return worker

    def _started(self, gpu: str | None) -> Started:
        if gpu is not None or not can_fork():  # CUDA does not survive a fork, should a library have begun it
            return new_process({} if gpu is None else {VARIABLE: gpu})
        if self._forker is not None and not self._forker.alive:
            self._forker.close()
            self._forker = None
        self._forker = self._forker or Forker()
        return self._forker.start()

    def _hear(self, worker: "_Worker", line: str | None) -> list[Handle]:
        handle = worker.handle
        if line is None:
            self._workers = [other for other in self._workers if other is not worker]
            worker.kill()  # and the processes that it may have started
            report = worker.death()
            if handle is not None:
                handle.end(report)
            return [handle] if handle is not None else []
        message = json.loads(line)
        if handle is None:
            return []
        if "begun" in message:
            handle.begun = handle.heard = time.monotonic()
            return []
        if "step" in message:
            handle.hear(message["step"], message["loss"])
            return []
        report = JobReport.from_text(message["report"])
        handle.end(report)
        worker.handle = None
        if report.kind != "done":
            # an exception may leave any state behind; a new process is safe
            self._workers = [other for other in self._workers if other is not worker]
            worker.kill()
            worker.death()
        return [handle]


class _Worker:
    def __init__(
        self, gpu: str | None, heard: "queue.SimpleQueue[tuple[_Worker, str | None]]", start: Callable[[], Started]
    ) -> None:
        self.gpu = gpu
        self.handle: Handle | None = None
        self.kill_at: float | None = None
        self.process = start()
        self._last_lines: deque[str] = deque(maxlen=_LINES)
        threading.Thread(target=self._listen, args=(self.process.stdout, heard), daemon=True).start()
        self._errors = threading.Thread(target=self._listen_to_errors, args=(self.process.stderr,), daemon=True)
        self._errors.start()

    @property
    def began(self) -> bool:
        return self.process.began

    def give(self, handle: Handle) -> bool:
        try:
            self.process.stdin.write(f"{handle.job.text()}\n")
            self.process.stdin.flush()
        except OSError:
            return False
        self.handle = handle
        handle.heard = time.monotonic()
        return True

    def end_softly(self) -> None:
        self.kill_at = time.monotonic() + _GRACE
        self.process.end_softly()

    def kill(self) -> None:
        self.process.kill()

    def death(self) -> JobReport:
        status = self.process.wait()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self._errors.join(timeout=1.0)  # a grandchild may hold stderr open
        lines = "\n".join(self._last_lines)
        if status is None:
            return JobReport("failed", reason="its process ended, and so did the one that starts workers", detail=lines)
        if status >= 0:
            return JobReport("failed", reason=f"its process ended with status {status}", detail=lines)
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return JobReport("failed", reason=f"its process was ended by {name}{hint}", detail=lines)

    def _listen(self, stream: IO[str], heard: "queue.SimpleQueue[tuple[_Worker, str | None]]") -> None:
        with stream:
            for line in stream:
                if line.startswith(_PID):
                    self.process.announced(json.loads(line)["pid"])
                else:
                    heard.put((self, line))
        heard.put((self, None))

    def _listen_to_errors(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._last_lines.append(line.rstrip("\n"))
                print(line, end="", file=sys.stderr, flush=True)
