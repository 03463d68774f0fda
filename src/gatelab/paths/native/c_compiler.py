"""The system's C compiler: found, described, and run in bounded time; whatever it does wrong is a UserError.

A compiler is somebody else's program: it may hang, be killed, say nothing, write nothing, or write what is no library.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from gatelab.errors import UserError

__all__ = ["LONGEST_COMPILATION", "compile_library", "compiler", "compiler_identity", "flags", "no_compiler"]

_FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-std=gnu11", "-shared", "-fPIC", "-w")
# without OpenMP everything still runs, on one thread
_OPENMP = "-fopenmp"
LONGEST_COMPILATION = 300.0
"""Seconds after which a compiler is ended."""
_LONGEST_LOADING = 60.0  # seconds
_LONGEST_DEATH = 5.0  # seconds
_LONGEST_PROBLEM = 200  # characters

# In a process of its own: loading half a library may end the process that does it.
_LOADS = """\
import ctypes, sys
try:
    library = ctypes.CDLL(sys.argv[1])
    missing = [name for name in sys.argv[2:] if not hasattr(library, name)]
except OSError as error:
    sys.exit(str(error).replace(sys.argv[1], "it"))
if missing:
    sys.exit(f"it lacks {', '.join(missing)}")
"""


class _LateError(UserError):
    """A program did not come to its end in time."""


def flags() -> tuple[str, ...]:
    """Return what every compilation is asked for, OpenMP aside."""
    return _FLAGS


def compiler() -> str | None:
    """Return the command of the C compiler: $CC, a program or a program with flags, or else cc, gcc or clang.

    The program has its whole path. None if there is none; ``no_compiler`` says why.
    """
    command = _compiler(os.environ.get("CC"), os.environ.get("PATH"))[0]
    return shlex.join(command) if command else None


def no_compiler() -> str | None:
    """Return why there is no C compiler, or None if there is one."""
    return _compiler(os.environ.get("CC"), os.environ.get("PATH"))[1] or None


@cache
def _compiler(wished: str | None, path: str | None) -> tuple[tuple[str, ...], str]:
    if not wished or not wished.strip():
        for name in ("cc", "gcc", "clang"):
            if found := shutil.which(name, path=path):
                return (os.path.abspath(found),), ""
        return (), "there is no C compiler (cc, gcc or clang; CC names another)"
    # a path may have spaces in it
    if found := shutil.which(wished, path=path):
        return (os.path.abspath(found),), ""
    try:
        program, *rest = shlex.split(wished)
    except ValueError as error:
        return (), f"CC={_short(wished)} cannot be read: {error}"
    found = shutil.which(program, path=path)
    if not found:
        return (), f"there is no C compiler: CC={_short(wished)} names no program that is there"
    return (os.path.abspath(found), *rest), ""


def compiler_identity(command: str) -> str:
    """Return what changes when the compiler does, without starting it: its words, and the programs among them."""
    facts = [command]
    for word in shlex.split(command):
        found = shutil.which(word)  # with ccache gcc, both are
        if found:
            file = Path(found).resolve()
            status = file.stat()
            facts.append(f"{file} {status.st_size} {status.st_mtime_ns}")
    return "\n".join(facts)


def compile_library(text: str, functions: Sequence[str], command: str, place: Path) -> bytes:
    """Return the library of a C source; it has been loaded once, in another process.

    Args:
        text: of the program.
        functions: that the library has to have.
        command: of the compiler.
        place: an empty folder to work in.

    Raises:
        UserError: whatever goes wrong, in one line.
        OSError: the folder cannot be written.
    """
    source, fresh = place / "program.c", place / "program.so"
    source.write_text(text, encoding="utf-8")
    words = shlex.split(command)
    problem = ""
    for wanted in ((*_FLAGS, _OPENMP), _FLAGS):
        fresh.unlink(missing_ok=True)
        try:
            _run([*words, *wanted, str(source), "-o", str(fresh), "-lm"], place, LONGEST_COMPILATION)
            if not fresh.is_file() or not fresh.stat().st_size:
                raise UserError("it ends without an error and writes no library")
            _try(fresh, functions, place)
            return fresh.read_bytes()
        except _LateError as error:
            raise UserError(f"the C compiler {_short(command)} fails: {error}") from None
        except UserError as error:
            problem = problem or str(error)
    raise UserError(f"the C compiler {_short(command)} fails: {problem}")


def _try(library: Path, functions: Sequence[str], place: Path) -> None:
    """Load a library elsewhere. Raises UserError if it cannot be, or if it lacks a function."""
    if not sys.executable:  # Python inside of another program
        return
    try:
        _run([sys.executable, "-I", "-S", "-c", _LOADS, str(library), *functions], place, _LONGEST_LOADING)
    except UserError as error:
        raise UserError(f"what it has written cannot be loaded: {error}") from None


def _run(command: Sequence[str], place: Path, limit: float) -> None:
    """Run a program to its end, with all that it starts. Raises UserError with the reason if it fails."""
    # a file and not a pipe: a pipe ends only when everybody who was started has closed it
    with tempfile.TemporaryFile(dir=place) as said:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                cwd=place,
                env={**os.environ, "TMPDIR": str(place)},
                start_new_session=True,
            )
        except OSError as error:
            raise UserError(f"it cannot be started: {error.strerror or error}") from error
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            _end(process)
            raise _LateError(f"it has not come to an end in {limit:g} s") from None
        except BaseException:  # Ctrl-C does not reach another session
            _end(process)
            raise
        if status:
            said.seek(0)
            words = _short(said.read(65536).decode("utf-8", errors="replace"))
            raise UserError(words or _status(status))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a program and all that it has started: a compiler is several processes."""
    with suppress(ProcessLookupError, PermissionError):  # all of them have ended
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):  # one that waits for a disk cannot be killed
        process.wait(_LONGEST_DEATH)


def _status(status: int) -> str:
    if status > 0:
        return f"it ends with status {status} and says nothing"
    try:
        return f"it was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"it was ended by signal {-status}"


def _short(text: str) -> str:
    """Return a text on one line, without what a terminal would obey."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST_PROBLEM else f"{line[: _LONGEST_PROBLEM - 1]}…"
