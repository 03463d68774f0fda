"""Signals that request an end: Ctrl-C, SIGTERM, a closed terminal (SIGHUP). Each gets a response within a second.

Python calls a handler between two of its instructions, so a signal during a long call of compiled code is handled only
after the call. But the C handler below it writes the signal's number into a pipe at once, and a thread that reads the
pipe prints a line.
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

_GRACE = 0.4  # seconds for the interrupted code to respond itself
_LOST = 3.0  # seconds after which a signal without effect is raised again
_LAST_GRACE = 2.0  # seconds from the second Ctrl-C to the end of a process that does not respond


class Ended(KeyboardInterrupt):
    """A signal has requested an end; handled like Ctrl-C.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def ending() -> tuple[int, ...]:
    """Return the signals that request an end, without SIGHUP if it is ignored, as under nohup."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        numbers.append(hangup)
    return tuple(map(int, numbers))


def heard(number: int) -> None:
    """Note that a handler has received a signal. A closed terminal is no longer written to."""
    if number == getattr(signal, "SIGHUP", None):
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in _watch.terminals:
            os.dup2(nothing, stream)
        os.close(nothing)


def answer(sentence: str) -> None:
    """Print a line on stderr from a handler, which may have interrupted a print."""
    _watch.answered = True
    if _watch.said:  # a similar line was printed while the signal had to wait
        return
    with suppress(OSError):  # the terminal may be closed
        os.write(2, f"\n{sentence}\n".encode())


@contextmanager
def watched() -> Iterator[None]:
    """During a block, raise Ended for SIGTERM and SIGHUP, and print a line if a signal has to wait.

    A second Ctrl-C ends the process even if compiled code never returns. Has no effect outside the main thread.
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
            if handler is not None:  # None: not set from Python, and cannot be restored
                signal.signal(number, handler)


class _Watch:
    def __init__(self) -> None:
        self.answered = self.said = False
        self.terminals: list[int] = []


_watch = _Watch()


def _raise(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signature of a handler
    heard(number)
    _watch.answered = True
    raise Ended(number)


def _listen(reader: int, numbers: set[int]) -> None:
    """Read the numbers of signals until the pipe is closed, and run the delayed actions of each."""
    due: list[tuple[float, Callable[[], None]]] = []
    asked = again = 0

    def wait_is_over() -> None:
        if not _watch.answered:
            answer("stopping as soon as this step allows; Ctrl-C again ends at once")
            _watch.said = True

    def ask_again(number: int) -> None:
        nonlocal again
        # an exception raised between two instructions is lost if it occurs in a finaliser or a callback
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
