"""What a path is: one way to run a program over a sequence. To add one, add its folder, and its entry in PATHS.

This module and those that define paths import no tensor library before a path is asked about tensors: configurations
are checked without one.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from gatelab.compiler import Program
from gatelab.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from gatelab.paths.call import Call, Outputs

__all__ = ["Path", "Repeat", "UnableError"]


class UnableError(UserError):
    """A path finds while it runs that it cannot run a program at all: ``auto`` takes the next one."""


class Repeat(Protocol):
    """Calls of one layer with the same weights in memory: what they share is found once."""

    def stands(self, weights: "Mapping[str, Tensor | None]") -> bool:
        """Return whether the layer still has these weights, and they still lie where they lay."""

    def run(
        self, inputs: "Tensor", states: "Mapping[str, Tensor] | None", lengths: "Tensor | None"
    ) -> "Outputs | None":
        """Return what the path returns for such a call; None if it is another kind, which has to be looked at whole.

        Args:
            inputs: (time, batch, input), unchecked.
            states: state -> (batch, size), all of them but unchecked; zeros if None.
            lengths: as :func:`gatelab.paths.lengths.as_lengths` returns them, or None.
        """


class Path(Protocol):
    """One way to run a program. Name, ``refusal`` and ``run`` are its own; the other answers suit most paths.

    All paths agree to rounding, in outputs and gradients, so the choice is no part of a run's identity.

    Attributes:
        name: what ``path=`` calls it.
        kept: share of the values of a step that it keeps for the backward pass, to estimate memory.
        unproven: why ``auto`` never takes it, or None.
    """

    name: str
    kept: float = 1.0
    unproven: str | None = None

    def limits(self, program: Program, device: str | None = None) -> str | None:
        """Return why it never runs a program on a kind of device, "cpu" or "cuda", or None: what no tensor decides."""
        return None

    def foreign_limits(self, device: str | None = None) -> str | None:
        """Return why it runs no foreign variant on a kind of device, or None."""
        return "the variant is foreign, and it runs equations"

    def missing(self) -> str | None:
        """Return what this machine lacks to run it at all, or None."""
        return None

    def pays(self, call: "Call") -> bool:
        """Return whether ``auto`` takes it where it can run: whether it is faster than the paths after it."""
        return True

    def refusal(self, call: "Call") -> str | None:
        """Return why it cannot run a call, in one line; None if it can."""

    def manner(self, call: "Call") -> str | None:
        """Return which of its ways a path takes for a call that it does not refuse, for the record of a run."""
        return None

    def run(self, call: "Call") -> "Outputs":
        """Run a call that it does not refuse.

        Raises:
            UnableError: it cannot run the program after all, such as code that does not compile.
        """

    def repeated(self, call: "Call") -> Repeat | None:
        """Return what makes calls like one that it has run again, at less cost; None if it has nothing of the kind."""
        return None
