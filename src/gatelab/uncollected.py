"""Blocks that make much and drop little, such as imports and plans: looks for garbage find none, and take time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["set_aside", "uncollected"]


@contextmanager
def uncollected(*, keep: bool = False) -> Iterator[None]:
    """Collect no garbage during a block. As a decorator, during a call.

    Args:
        keep: never look again at what is there at the end; for the start of a process.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if keep:
            gc.freeze()
        if collects:
            gc.enable()


@contextmanager
def set_aside() -> Iterator[None]:
    """Leave what is there alone during a block: garbage is looked for among what is made in it."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
