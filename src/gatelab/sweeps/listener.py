"""What a session that trains has to say, and who hears it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatelab.configuration import RunConfiguration
from gatelab.store import Failure, Result
from gatelab.sweeps.launcher_options import ExecutorOptions

__all__ = ["Listener", "PlanOnly", "PlannedWork", "RunError", "Trained"]


class RunError(Exception):
    """A run of a sweep could not be trained; the message is the reason. The other runs have been trained."""


class PlanOnly(BaseException):
    """The plan has been told, and nothing else was asked for."""


@dataclass(frozen=True)
class Trained:
    """What became of some points.

    Attributes:
        outcomes: of the points, in order.
        first: the first of their configurations.
        sweep: the name of the sweep; None for a single run.
        new: whether any of them was trained now.
        tables: whether the user wants to see them now: not those of one batch of a search.
    """

    outcomes: Sequence[Result | Failure]
    first: RunConfiguration
    sweep: str | None
    new: bool
    tables: bool


@dataclass(frozen=True)
class PlannedWork:
    """Points that are to be planned and not trained.

    Attributes:
        points: checked.
        options: of the launcher.
        folder: where an engine may keep its files.
        slots: returns how many stacks are trained at once.
        check: looks at what is missing, and raises UserError to refuse it.
    """

    points: Sequence[RunConfiguration]
    options: ExecutorOptions
    folder: Path
    slots: Callable[[], int]
    check: Callable[[Sequence[RunConfiguration]], None]


class Listener:
    """Hears what a session has to say; this one keeps it to itself."""

    def note(self, line: str) -> None:
        """Hear of something that the user may not have meant, such as a setting without effect."""

    def problem(self, line: str) -> None:
        """Hear of something that went wrong while others go on, such as a run that failed."""

    def finished_already(self, line: str) -> None:
        """Hear of runs that are finished, and are not trained again."""

    def prepares(self, done: int, points: int, what: str) -> None:
        """Hear, now and then, how many of many points have been composed, or checked, before anything is trained."""

    def begins(self, points: Sequence[RunConfiguration]) -> None:
        """Hear of the checked points of a sweep, before anything is trained."""

    def plans(self, plan: PlannedWork) -> None:
        """Hear of what would be trained, where nothing else was asked for."""

    def ended(self, trained: Trained) -> None:
        """Hear what became of some points."""
