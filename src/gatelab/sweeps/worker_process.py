"""A process that trains stacks: jobs come as lines of JSON on stdin, steps and reports go as such to stdout."""

import json
import os
import queue
import signal
import sys
import threading
import time
from typing import TextIO

from gatelab.sweeps.job import Job
from gatelab.sweeps.work import failed, perform

__all__ = ["main"]

_GRACE = 10.0  # seconds for a stack to come to its checkpoint after the launcher has gone


def main() -> None:
    """Train what comes until stdin ends."""
    # whatever libraries print goes to stderr: stdout is for reports
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    # the seconds that this takes are those in which the launcher plans
    import gatelab.training  # noqa: F401

    while (job := jobs.get()) is not None:
        _write(channel, {"begun": True})
        try:
            report = perform(job, lambda step, loss: _write(channel, {"step": step, "loss": loss}))
        except KeyboardInterrupt as error:
            report = failed(error)
        _write(channel, {"report": report.text()})


def _write(channel: TextIO, message: dict[str, object]) -> None:
    channel.write(f"{json.dumps(message)}\n")
    channel.flush()


def _listen(jobs: "queue.SimpleQueue[Job | None]") -> None:
    """Hand on what comes on stdin. Its end means that the launcher has gone: then the stack must end as well."""
    for line in sys.stdin:
        jobs.put(Job.from_text(line))
    jobs.put(None)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(1)


if __name__ == "__main__":
    main()
