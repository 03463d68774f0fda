"""Training of one stack: many runs of equal shapes at once.

``train_stack`` is imported when it is first used: torch takes seconds, and stored networks are read without it.
"""

from typing import TYPE_CHECKING, Any

from gatelab.store import Stop, Stopped

if TYPE_CHECKING:
    from gatelab.training.fit import train_stack

__all__ = ["Stop", "Stopped", "train_stack"]


def __getattr__(name: str) -> Any:
    if name == "train_stack":
        from gatelab.training.fit import train_stack

        return train_stack
    raise AttributeError(f"module 'gatelab.training' has no attribute '{name}'")
