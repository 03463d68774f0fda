"""Orderly stop: a signal, or a request, sets a flag, and training stops at the next step or checkpoint."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from gatelab import signals

__all__ = ["Interrupted", "Stop", "Stopped"]


class Stopped(Exception):  # noqa: N818 - not an error
    """Training has stopped on request, and resumes from there when it is started again.

    The message is one line for the user. ``status`` is the exit status of the process: 130 after Ctrl-C (SIGINT),
    143 after SIGTERM, 129 after the terminal has been closed.
    """

    def __init__(self, message: str, signum: int = signal.SIGTERM) -> None:
        super().__init__(message, signum)
        self.signum = int(signum)

    @property
    def status(self) -> int:
        """Exit status, as shells report a signal."""
        return 128 + self.signum

    def __str__(self) -> str:
        return str(self.args[0])


class Interrupted(BaseException):
    """A sweep has been stopped by a signal; the same command resumes it. Like KeyboardInterrupt not an error.

    Args:
        sentence: for the terminal.
        signum: of the signal.
    """

    def __init__(self, sentence: str, signum: int) -> None:
        super().__init__(sentence)
        self.signum = signum

    @property
    def status(self) -> int:
        """Exit status, as shells report a signal."""
        return 128 + self.signum


class Stop:
    """Whether a run or a sweep should stop.

    Args:
        asked: called at every step, such as the ``is_set`` of an event of multiprocessing.
        sweep: for a sweep, whose stacks write a checkpoint first. It prints a line on every signal; a stack only on
            Ctrl-C, because the launcher of its process sends SIGTERM, perhaps twice.
    """

    def __init__(self, asked: Callable[[], bool] | None = None, *, sweep: bool = False) -> None:
        self._asked = asked
        self._when = "at the next checkpoint" if sweep else "after this step"
        self._answered = signals.ending() if sweep else (signal.SIGINT,)
        self._final = (signal.SIGINT, signal.SIGTERM) if sweep else (signal.SIGINT,)  # a terminal may close twice
        self._signum: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def signum(self) -> int | None:
        """The signal; SIGTERM for a request without a signal; None if there was no request."""
        if self._signum is None and self._asked is not None and self._asked():
            self._signum = signal.SIGTERM
        return self._signum

    def request(self, signum: int = signal.SIGTERM) -> None:
        """Request a stop; from any thread."""
        self._signum = int(signum)

    def check(self) -> None:
        """Raise Stopped if a stop was requested."""
        signum = self.signum
        if signum is not None:
            raise Stopped("stopped; the same command goes on from there", signum)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Handle SIGINT, SIGTERM and SIGHUP during a block.

        In a thread other than the main one, and inside another ``on_signals`` of the same object, nothing is changed.
        """
        if self._before or threading.current_thread() is not threading.main_thread():
            yield
            return
        self._before = {signum: signal.getsignal(signum) for signum in signals.ending()}
        try:
            self.listen()
            yield
        finally:
            before, self._before = self._before, {}
            for signum, handler in before.items():
                if handler is not None:  # None: not set from Python, and it cannot be given back
                    signal.signal(signum, handler)

    def listen(self) -> None:
        """Set the handlers again, after a Trainer has replaced them."""
        if self._before and threading.current_thread() is threading.main_thread():
            for signum in self._before:
                signal.signal(signum, self.hear)

    def hear(self, signum: int, frame: FrameType | None = None) -> None:
        """Note the first signal, and act on the second."""
        signals.heard(signum)
        if self._signum is None:
            self._signum = int(signum)
            if signum in self._answered:
                signals.answer(f"stopping {self._when}; Ctrl-C again ends at once")
        elif signum in self._final:
            raise KeyboardInterrupt
