"""Signals that ask for an end: Ctrl-C, SIGTERM, a terminal that has been closed. Each is answered within a second.

Python calls a handler between two of its own instructions, so that a signal which arrives in a long step of compiled
code is heard at the step's end. The C handler underneath writes the signal's number into a pipe at once, though, and a
thread that reads the pipe says that it was heard.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

__all__ = ["Ended", "answer", "ending", "heard", "watched"]

_GRACE = 0.4  # seconds in which whoever is interrupted may answer by itself
_LOST = 3.0  # seconds after which a signal that has not ended anything is raised once more
_LAST_GRACE = 2.0  # seconds from the second Ctrl-C to the end of a process that does not hear it


class Ended(KeyboardInterrupt):
    """A signal has asked for an end; so has Ctrl-C, as whose kind it is treated.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def ending() -> tuple[int, ...]:
    """Return the signals that ask for an end, without SIGHUP where it is ignored, as under nohup."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        numbers.append(hangup)
    return tuple(map(int, numbers))


def heard(number: int) -> None:
    """Note that a signal has come to a handler. A terminal that has gone is not written to any more."""
    if number == getattr(signal, "SIGHUP", None):
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in _watch.terminals:
            os.dup2(nothing, stream)
        os.close(nothing)


def answer(sentence: str) -> None:
    """Print a line on stderr from within a handler, which may have interrupted a print."""
    _watch.answered = True
    if _watch.said:  # in other words, while the signal had to wait
        return
    with suppress(OSError):  # the terminal may have gone
        os.write(2, f"\n{sentence}\n".encode())


@contextmanager
def watched() -> Iterator[None]:
    """For the time of a block, raise Ended for SIGTERM and SIGHUP, and say so where a signal has to wait.

    A second Ctrl-C ends the process even if it never comes back from compiled code. In a thread other than the main one
    nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _watch.answered = _watch.said = False
    _watch.terminals = [stream for stream in (1, 2) if os.isatty(stream)]
    before = {number: signal.getsignal(number) for number in ending()}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in before:
        signal.signal(number, _raise)
    earlier = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    listener = threading.Thread(target=_listen, args=(reader, set(before)), daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(earlier)
        os.close(writer)
        listener.join()
        os.close(reader)
        for number, handler in before.items():
            if handler is not None:  # None: not set from Python, and it cannot be given back
                signal.signal(number, handler)


class _Watch:
    def __init__(self) -> None:
        self.answered = self.said = False
        self.terminals: list[int] = []


_watch = _Watch()


def _raise(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    heard(number)
    _watch.answered = True
    raise Ended(number)


def _listen(reader: int, numbers: set[int]) -> None:
    """Read the numbers of signals until the pipe is closed, and do what is due some time after each."""
    due: list[tuple[float, Callable[[], None]]] = []
    asked = again = 0

    def wait_is_over() -> None:
        if not _watch.answered:
            answer("stopping as soon as this step allows; Ctrl-C again ends at once")
            _watch.said = True

    def ask_again(number: int) -> None:
        nonlocal again
        # an exception that is raised between any two instructions is lost where it meets a finaliser or a callback
        if signal.getsignal(number) is _raise:
            again += 1
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    while True:
        now = time.monotonic()
        for _, action in [entry for entry in due if entry[0] <= now]:
            action()
        due = [entry for entry in due if entry[0] > now]
        until = min((when for when, _ in due), default=None)
        if not select.select([reader], [], [], None if until is None else max(0.0, until - time.monotonic()))[0]:
            continue
        data = os.read(reader, 64)
        if not data:
            return
        now = time.monotonic()
        for number in data:
            if again:
                again -= 1
            elif number in numbers:
                asked += number == signal.SIGINT
                due.append((now + _GRACE, wait_is_over))
                due.append((now + _LOST, partial(ask_again, number)))
                if asked > 1:
                    due.append((now + _LAST_GRACE, partial(os._exit, 128 + number)))
