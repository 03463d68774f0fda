"""A process that trains stacks: reads jobs as lines of JSON from stdin, writes steps and reports to stdout."""

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
from gatelab.uncollected import uncollected

__all__ = ["main"]

_GRACE = 10.0  # seconds for a stack to write its checkpoint after the launcher has ended


def main() -> None:
    """Train jobs until stdin ends."""
    # output of libraries goes to stderr: stdout is for reports
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _write(channel, {"pid": os.getpid()})
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    # takes seconds, while the launcher plans
    with uncollected():
        import gatelab.training.fit  # noqa: F401

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
    """Pass on the lines of stdin. When it ends, the launcher has ended, and the stack must end too."""
    for line in sys.stdin:
        jobs.put(Job.from_text(line))
    jobs.put(None)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(1)


if __name__ == "__main__":
    main()
