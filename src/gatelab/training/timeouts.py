"""Calls that may never end, with a time limit."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["SHORT_TIMEOUT", "TIMEOUT", "together", "within"]

TIMEOUT = 30.0  # seconds that a logger may take to begin or to end
SHORT_TIMEOUT = 1.0  # the same, for one that has failed already


def within(seconds: float | None, action: Callable[[], Any]) -> None:
    """Call a function with a time limit in seconds; None means no limit and no thread.

    Raises TimeoutError if the call does not end in time, and leaves it running in its thread; otherwise raises what the
    call raises.
    """
    if seconds is None:
        action()
        return
    raised: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no end after {seconds:g} s")
    if raised:
        raise raised[0]


def together(actions: Sequence[Callable[[], Any]]) -> None:
    """Call several functions at once, each of which ends in bounded time and raises nothing."""
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
