"""A Ray cluster: each stack is a task."""

import contextlib
import logging
import os
import socket
import time
from pathlib import Path
from typing import Any

from gatelab.errors import UserError, one_line
from gatelab.sweeps.executors.executor import Executor, Handle
from gatelab.sweeps.job import Job, JobReport
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.work import perform

__all__ = ["Ray"]

_MANY = 1000  # stacks handed to the cluster at once, which starts as many as it has room for
_SOURCE = Path(__file__).resolve().parents[3]  # the folder that holds gatelab
_ANSWER = 10.0  # seconds for the head of a cluster to take a connection
_NOTICED = 40.0  # seconds in which a cluster has noticed that one of its nodes is gone
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # which Ray would ask for in a warning
}


class Ray(Executor):
    """Hands each stack to Ray; without an address, Ray starts on this machine.

    A stack whose node is gone goes on elsewhere, from its checkpoints; one whose process has crashed is divided.

    Args:
        options: below hydra.launcher.

    Raises:
        UserError: the cluster cannot be reached, with what Ray says.
    """

    def __init__(self, options: ExecutorOptions) -> None:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        import ray

        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            _connect(ray, options.ray.address)
        super().__init__(options.workers or _MANY)
        if options.workers is None:
            # as many stacks as find room now; more are not smaller for it
            there, asked = ray.cluster_resources(), options.ray
            room = [there.get("CPU", 1) / asked.num_cpus]
            room += [there.get("GPU", 0) / asked.num_gpus] if asked.num_gpus else []
            self.parts = max(1, int(min(room)))
        # without Ray's retries: a stack that dies is split, not repeated; and with a process for each
        self._train = ray.remote(
            num_cpus=options.ray.num_cpus, num_gpus=options.ray.num_gpus, max_retries=0, max_calls=1
        )(_train)
        self._tasks: dict[Any, Handle] = {}
        self._dead: dict[Handle, int] = {}  # how many nodes were gone when it was handed in
        self._doubtful: dict[Handle, tuple[JobReport, float]] = {}  # crashed, or its node is gone; until when to ask

    def submit(self, job: Job) -> Handle:
        """Hand a stack to the cluster."""
        handle = Handle(job)
        self._dead[handle] = self._nodes_gone()
        self._tasks[self._train.remote(job.text())] = handle
        return handle

    def wait(self, seconds: float) -> list[Handle]:
        """Wait for one of the tasks to end."""
        if not self._tasks:
            time.sleep(seconds)
            return self._judged()
        ready, _ = self._ray.wait(list(self._tasks), timeout=seconds)
        for task in ready:
            handle = self._tasks.pop(task)
            report, lost = self._report(task)
            self._doubtful[handle] = (report, time.monotonic() + (_NOTICED if lost else 0.0))
        return self._judged()

    def _judged(self) -> list[Handle]:
        """Return the jobs that have ended, once it is known whether one that was lost has gone with its node."""
        ended = []
        for handle, (report, until) in list(self._doubtful.items()):
            gone = time.monotonic() < until and self._nodes_gone() > self._dead[handle]
            if gone or time.monotonic() >= until:
                handle.end(JobReport("stopped", reason="its node is gone") if gone else report)
                del self._doubtful[handle], self._dead[handle]
                ended.append(handle)
        return ended

    def _nodes_gone(self) -> int:
        return sum(not node["Alive"] for node in self._ray.nodes())

    def cancel(self, handle: Handle, reason: str) -> None:
        """Kill a task: Ray has no gentler way to end one that hangs."""
        handle.given_up = reason
        for task, other in self._tasks.items():
            if other is handle:
                self._ray.cancel(task, force=True)

    def stop(self) -> None:
        """Interrupt every task with SIGINT: it writes its checkpoint."""
        for task in self._tasks:
            self._ray.cancel(task, force=False)

    def close(self) -> None:
        """End the tasks that still run."""
        for task in self._tasks:
            with contextlib.suppress(Exception):  # it has ended in the meantime
                self._ray.cancel(task, force=True)
        self._tasks.clear()
        if self._started and self._ray.is_initialized():
            self._ray.shutdown()

    def _report(self, task: Any) -> tuple[JobReport, bool]:
        """Return the report of a task that has ended, and whether its process is gone without one."""
        errors = self._ray.exceptions
        try:
            return JobReport.from_text(self._ray.get(task)), False
        except errors.RayError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            reason = lines[0] if lines else type(error).__name__
            lost = isinstance(error, errors.WorkerCrashedError | errors.NodeDiedError | errors.LocalRayletDiedError)
            return JobReport("failed", reason=reason, detail="\n".join(lines[-40:])), lost


def _connect(ray: Any, address: str | None) -> None:
    """Connect to a cluster, or start one here."""
    key = f"hydra.launcher.ray.address={one_line(address)}"
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        # Ray tries for a minute, and tells each of its tries
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER).close()
        except (OSError, OverflowError) as error:
            said = getattr(error, "strerror", None) or error
            raise UserError(f"{key}: {said}; no Ray cluster answers there") from error
    path = os.pathsep.join([str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if address is None else None,
            # nodes of a cluster have their own installation of gatelab
            runtime_env={"env_vars": {"PYTHONPATH": path}} if address is None else None,
        )
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        raise UserError(f"{key}: {one_line(error, 200) or type(error).__name__}") from error


def _train(text: str) -> str:
    return perform(Job.from_text(text), watch=lambda step, loss: None).text()
