"""Commands launched by the hundred: a process that has imported everything forks one child for each.

Importing torch and Lightning takes seconds, in which nothing can be lost. ``multiprocessing``'s fork server imports
them once; a child does what ``python scripts/train.py …`` does after its imports, in a session of its own.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.faults.sweeping import children
from tests.trust.refusing import library

LONGEST = 600.0  # seconds after which a launch counts as one that hangs


@cache
def _server() -> ForkServerContext:
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    mine = os.environ.get("LD_PRELOAD")
    os.environ["LD_PRELOAD"] = str(library())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.trust.launched"])
    # started here, so that no launch waits for the imports
    first = context.Process(target=os.getpid)
    first.start()
    first.join()
    del os.environ["LD_PRELOAD"]
    if mine is not None:
        os.environ["LD_PRELOAD"] = mine
    return context


class Launch:
    """One command on its way, in a folder; what it prints goes into files beside that folder.

    Args:
        folder: in which it runs; made if need be.
        arguments: of the command.
        command: ``train``, ``compare`` or another of launched.py.
        environment: variables that are added.
        prepare: called in the child with the folder, before the command; what it returns is called at the end.
        printing: name of the files; that of the folder by default.
    """

    def __init__(
        self,
        folder: Path,
        arguments: list[str],
        command: str = "train",
        environment: Mapping[str, str] | None = None,
        prepare: Callable[[Path], Callable[[], None] | None] | None = None,
        printing: str | None = None,
    ) -> None:
        from tests.trust.launched import launched

        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.printed, self.complained = (folder.parent / f"{printing or folder.name}{end}" for end in (".out", ".err"))
        printed = (str(self.printed), str(self.complained))
        values = (str(folder), command, arguments, printed, dict(environment or {}), prepare)
        self.process: BaseProcess = _server().Process(target=launched, args=values)
        self.begun = time.monotonic()
        self.process.start()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def wait(self, seconds: float = LONGEST) -> int | None:
        """Return the exit status, negative for a signal; None if it has not ended so soon."""
        self.process.join(seconds)
        return self.process.exitcode

    def end(self) -> int:
        """Wait for the end and return the status; a command that hangs is killed, and an error."""
        status = self.wait()
        if status is None:
            self.kill()
            raise AssertionError(f"{self.folder.name}: no end after {LONGEST:.0f} seconds")
        return status

    def has_ended_well(self, status: int) -> None:
        assert status == 0, f"status {status}: {self.err() or self.out()}"

    def has_ended_in_order(self, status: int) -> None:
        """Assert that it has ended by itself, well or with lines that say why, and not with a traceback."""
        said = f"{self.out()}{self.err()}"
        tail = " / ".join(said.splitlines()[-3:])
        if status not in (0, 1, 2):
            raise AssertionError(f"status {status}: {tail}")
        if "Traceback" in said:
            raise AssertionError(f"a traceback: {tail}")
        if status != 0 and not said.strip():
            raise AssertionError(f"status {status}, and nothing was said")

    def out(self) -> str:
        return self.printed.read_text()

    def err(self) -> str:
        return self.complained.read_text()

    def kill(self) -> None:
        """Kill it and everything that it has started."""
        victims = [self.pid, *children(self.pid)]
        for victim in victims:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.join()


def launch_and_end(folder: Path, arguments: list[str], **options: object) -> Launch:
    """Launch a command that has to end well."""
    launch = Launch(folder, arguments, **options)
    launch.has_ended_well(launch.end())
    return launch
