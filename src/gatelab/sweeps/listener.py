"""The messages of a training session, and the interface that receives them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatelab.configuration import RunConfiguration
from gatelab.store import Failure, Result
from gatelab.sweeps.launcher_options import ExecutorOptions

__all__ = ["Detached", "Listener", "PlanOnly", "PlannedWork", "RunError", "Trained"]


class RunError(Exception):
    """A run of a sweep could not be trained; the message is the reason. The other runs have been trained."""


class PlanOnly(BaseException):
    """The plan, or a description of the data, was reported, and nothing else was requested; says by which key."""


class Detached(PlanOnly):
    """The stacks were left to a cluster, which trains them; says where they stand."""


@dataclass(frozen=True)
class Trained:
    """The outcomes of some points.

    Attributes:
        outcomes: of the points, in order.
        first: the first of their configurations.
        sweep: the name of the sweep; None for a single run.
        new: whether any of them was trained now.
        tables: whether to show them to the user now; False for one batch of a search.
    """

    outcomes: Sequence[Result | Failure]
    first: RunConfiguration
    sweep: str | None
    new: bool
    tables: bool


@dataclass(frozen=True)
class PlannedWork:
    """Points to be planned and not trained.

    Attributes:
        points: checked.
        options: of the launcher.
        folder: where an engine may keep its files.
        parts: returns into how many stacks runs of automatic stack size are divided at least.
        slots: returns how many stacks are trained at once.
        check: checks the missing runs, and raises UserError to refuse them.
    """

    points: Sequence[RunConfiguration]
    options: ExecutorOptions
    folder: Path
    parts: Callable[[], int]
    slots: Callable[[], int]
    check: Callable[[Sequence[RunConfiguration]], None]


class Listener:
    """Receives the messages of a session; this class ignores them."""

    def note(self, line: str) -> None:
        """Receive a note on something probably unintended, such as a setting without effect."""

    def problem(self, line: str) -> None:
        """Receive a problem that does not stop the others, such as a failed run."""

    def finished_already(self, line: str) -> None:
        """Receive a note on runs that are finished and not trained again."""

    def follows(self, line: str) -> None:
        """Hear of a setting that was left open and follows from the data, or of the data: nothing to be mended."""

    def prepares(self, done: int, points: int, what: str) -> None:
        """Hear, now and then, how many of many points have been composed, or checked, before anything is trained."""

    def begins(self, points: Sequence[RunConfiguration]) -> None:
        """Receive the checked points of a sweep, before anything is trained."""

    def describes(self, lines: Iterable[str]) -> None:
        """Receive the description of the data, if only that was requested."""

    def plans(self, plan: PlannedWork) -> None:
        """Receive the plan, if only the plan was requested."""

    def left(self, line: str) -> None:
        """Hear where the stacks stand that were left to a cluster."""

    def ended(self, trained: Trained) -> None:
        """Receive the outcomes of some points."""
