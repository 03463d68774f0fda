"""The frame of every command: exit status, errors of one line, and a quiet end when interrupted."""

import atexit
import contextlib
import gc
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from gatelab import signals
from gatelab.disk import FULL, because
from gatelab.errors import UserError
from gatelab.permission import permitted

__all__ = ["run"]

_USER_ERROR = 2
_SIGNALLED = 128  # to which shells add the number of the signal
_BROKEN_PIPE = 141  # 128 + SIGPIPE


def run(function: Callable[[list[str]], int], arguments: Sequence[str]) -> NoReturn:
    """Call a command with its arguments and leave the process with the status it returns.

    A UserError is printed on stderr and the status is 2; ``debug=true`` among the arguments (which the command does
    not get) shows its traceback; ``allow_import=my_package``, which it does not get either, permits
    files to name classes of a package (:mod:`gatelab.outside`).

    Ctrl-C ends with one line and status 130, SIGTERM with 143, a terminal that closes with 129. A reader that closes
    the pipe early, such as ``head``, is not reported; a full disk is an error of one line.
    """
    debug = "debug=true" in arguments
    _print_anything()
    try:
        with signals.watched():
            with permitted([argument for argument in arguments if argument != "debug=true"]) as words:
                status = function(words)
            sys.stdout.flush()
    except UserError as error:
        if debug:
            raise
        print(error, file=sys.stderr)
        status = _USER_ERROR
    except KeyboardInterrupt as end:
        status = _SIGNALLED + (end.number if isinstance(end, signals.Ended) else signal.SIGINT)
        with contextlib.suppress(OSError):  # the terminal may be closed
            print("interrupted", file=sys.stderr, flush=True)
    except BrokenPipeError:
        _say_no_more()
        status = _BROKEN_PIPE
    except OSError as error:
        if debug or error.errno not in FULL:
            raise
        print(f"{error.filename or 'output'}: cannot be written: {because(error)}", file=sys.stderr)
        _say_no_more()
        status = _USER_ERROR
    # the last registered is called first
    atexit.register(_end_at_once)
    sys.exit(status)


def _end_at_once() -> None:
    # Everything is done. Libraries now clean up, perhaps for seconds, and Ctrl-C would show their traceback.
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # the interpreter would look at all that is left for garbage, which takes a tenth of a command that only refuses
    gc.freeze()


def _say_no_more() -> None:
    # Buffered output would raise again when the interpreter closes stdout.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_anything() -> None:
    # On a terminal without ± or ↑, a question mark is printed instead.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
