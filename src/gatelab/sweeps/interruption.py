"""Ctrl-C, SIGTERM, a closed terminal: the first asks a sweep to stop where it can go on, the second ends it at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from gatelab import signals

__all__ = ["Interrupted", "Interruption", "interruption"]


class Interrupted(BaseException):
    """A sweep has been stopped by a signal; the same command goes on with it. Like KeyboardInterrupt no error.

    Args:
        sentence: for the terminal.
        number: of the signal.
    """

    def __init__(self, sentence: str, number: int) -> None:
        super().__init__(sentence)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status by which shells know the signal."""
        return 128 + self.number


@dataclass
class Interruption:
    """Which signal has asked for an end; None while none has."""

    number: int | None = None

    def notice(self, number: int, frame: FrameType | None = None) -> None:
        """Note and answer the first signal, and act on the second."""
        signals.heard(number)
        if self.number is None:
            self.number = number
            signals.answer("stopping at the next checkpoint; Ctrl-C again ends at once")
        elif number in (signal.SIGINT, signal.SIGTERM):  # a terminal that closes may say so twice
            raise KeyboardInterrupt


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Note signals for the time of a block, instead of dying of them."""
    noted = Interruption()
    if threading.current_thread() is not threading.main_thread():  # handlers belong to the main thread
        yield noted
        return
    before = {number: signal.signal(number, noted.notice) for number in signals.ending()}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
