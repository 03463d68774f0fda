"""How a command meets the terminal: exit status, errors of one line, and a quiet end when interrupted."""

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from gatelab.disk import FULL, because
from gatelab.errors import UserError

__all__ = ["run"]

_USER_ERROR = 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_BROKEN_PIPE = 141  # 128 + SIGPIPE


def run(function: Callable[[list[str]], int], arguments: Sequence[str]) -> NoReturn:
    """Call a command with its arguments and leave the process with the status it returns.

    A UserError is printed on stderr and the status is 2; ``debug=true`` among the arguments (which the command does
    not get to see) lets it through with its traceback. Ctrl-C ends with one line and status 130. A reader that
    closes the pipe early, such as ``head``, is no error to talk about; a full disk is one of one line.
    """
    debug = "debug=true" in arguments
    _print_anything()
    try:
        status = function([argument for argument in arguments if argument != "debug=true"])
        sys.stdout.flush()
    except UserError as error:
        if debug:
            raise
        print(error, file=sys.stderr)
        status = _USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = _INTERRUPTED
    except BrokenPipeError:
        _say_no_more()
        status = _BROKEN_PIPE
    except OSError as error:
        if debug or error.errno not in FULL:
            raise
        print(f"{error.filename or 'output'}: cannot be written: {because(error)}", file=sys.stderr)
        _say_no_more()
        status = _USER_ERROR
    sys.exit(status)


def _say_no_more() -> None:
    # What is still buffered would raise once more when the interpreter closes stdout.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_anything() -> None:
    # A terminal that cannot show ± or ↑ gets a question mark instead of a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
