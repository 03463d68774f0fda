"""A Ray cluster: each stack is a task."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from gatelab.sweeps.executors.executor import Executor, Handle
from gatelab.sweeps.job import Job, JobReport
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.work import perform

__all__ = ["Ray"]

_MANY = 1000  # stacks handed to the cluster at once, which starts as many as it has room for
_SOURCE = Path(__file__).resolve().parents[3]  # the folder that holds gatelab


class Ray(Executor):
    """Hands each stack to Ray; without an address, Ray starts on this machine.

    Args:
        options: below hydra.launcher.
    """

    def __init__(self, options: ExecutorOptions) -> None:
        import ray

        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            path = os.pathsep.join([str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
            ray.init(
                address=options.ray.address,
                log_to_driver=False,
                include_dashboard=False if options.ray.address is None else None,
                # nodes of a cluster have their own installation of gatelab
                runtime_env={"env_vars": {"PYTHONPATH": path}} if options.ray.address is None else None,
            )
        super().__init__(options.workers or _MANY)
        # without Ray's retries: a stack that dies is split, not repeated; and with a process for each
        self._train = ray.remote(
            num_cpus=options.ray.num_cpus, num_gpus=options.ray.num_gpus, max_retries=0, max_calls=1
        )(_train)
        self._tasks: dict[Any, Handle] = {}

    def submit(self, job: Job) -> Handle:
        """Hand a stack to the cluster."""
        handle = Handle(job)
        self._tasks[self._train.remote(job.text())] = handle
        return handle

    def wait(self, seconds: float) -> list[Handle]:
        """Wait for one of the tasks to end."""
        if not self._tasks:
            time.sleep(seconds)
            return []
        ready, _ = self._ray.wait(list(self._tasks), timeout=seconds)
        ended = []
        for task in ready:
            handle = self._tasks.pop(task)
            handle.end(self._report(task))
            ended.append(handle)
        return ended

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

    def _report(self, task: Any) -> JobReport:
        try:
            return JobReport.from_text(self._ray.get(task))
        except self._ray.exceptions.RayError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            return JobReport(
                "failed", reason=lines[0] if lines else type(error).__name__, detail="\n".join(lines[-40:])
            )


def _train(text: str) -> str:
    return perform(Job.from_text(text), watch=lambda step, loss: None).text()
