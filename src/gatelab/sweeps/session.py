"""What one training call keeps, and which call this code runs in: Hydra's plugins find it here."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from gatelab.configuration import RunConfiguration
from gatelab.errors import UserError
from gatelab.store import Failure, Result
from gatelab.sweeps.executors import Executor, open_executor
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.listener import Detached, Listener, PlanOnly

__all__ = ["Session", "begun", "current"]


@dataclass
class Session:
    """The state of one call; a search trains several batches of points in it.

    Attributes:
        listener: receives all messages.
        words: the arguments, as on the command line, and those of an experiment for sweeps.
        outcomes: identity -> the run and its outcome, in the order of the points.
        begun: folders that the sweep has made, the innermost first.
        said: notes that were already passed on.
        executors: by their options; kept open, so that workers start only once.
    """

    listener: Listener
    words: Sequence[str] = ()
    outcomes: dict[str, tuple[RunConfiguration, Result | Failure]] = field(default_factory=dict)
    begun: list[Path] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    executors: dict[str, Executor] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether a run has failed."""
        return any(isinstance(outcome, Failure) for _, outcome in self.outcomes.values())

    def say(self, lines: Iterable[str], listen: Callable[[str], None] | None = None) -> None:
        """Pass notes on, each once."""
        for line in lines:
            if line not in self.said:
                self.said.add(line)
                (listen or self.listener.note)(line)

    def executor(self, options: ExecutorOptions, first: RunConfiguration, folder: Path) -> Executor:
        """Return the executor with these options."""
        devices = first.training.devices
        key = f"{options} {first.threads} {first.device} {devices}"
        if key not in self.executors:
            self.executors[key] = open_executor(options, first.threads, first.device, folder, devices)
        return self.executors[key]

    def remove_what_was_begun(self) -> None:
        """Remove the folders of a sweep that was refused."""
        if self.begun:
            (self.begun[0] / "multirun.yaml").unlink(missing_ok=True)
        # where runs have been trained, folders are not empty and stay
        with contextlib.suppress(OSError):
            for folder in self.begun:
                with contextlib.suppress(FileNotFoundError):  # interrupted before it was made
                    folder.rmdir()

    def close(self) -> None:
        """End the workers."""
        for executor in self.executors.values():
            executor.close()
        self.executors.clear()


_SESSION: ContextVar[Session | None] = ContextVar("session", default=None)


@contextlib.contextmanager
def begun(session: Session) -> Iterator[Session]:
    """Make a session the one that plugins find, during a block."""
    token = _SESSION.set(session)
    try:
        yield session
    except Detached:
        raise
    except (UserError, KeyboardInterrupt, PlanOnly):
        session.remove_what_was_begun()
        raise
    finally:
        _SESSION.reset(token)
        session.close()


def current() -> Session:
    """Return the current session; if Hydra was not started by gatelab, one that ignores messages."""
    return _SESSION.get() or Session(Listener())
