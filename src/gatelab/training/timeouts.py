"""Calls that may never come to an end, and how long they are waited for."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["SHORT_TIMEOUT", "TIMEOUT", "together", "within"]

TIMEOUT = 30.0  # seconds that a logger may take to begin or to end
SHORT_TIMEOUT = 1.0  # the same, for one that has failed already


def within(seconds: float | None, action: Callable[[], Any]) -> None:
    """Do something in so many seconds; None is for ever, and no thread.

    Raises TimeoutError, and leaves the action behind in its thread, where it does not end in time; otherwise whatever
    the action raises.
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
    """Do several things at once, each of which ends in bounded time and raises nothing."""
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
