"""From C to a loaded library: compiled once with the system's compiler and kept, by content.

The name of a library is a hash of its source, the compiler, the flags and the processor, so that a cache on a shared
disk never hands code to a machine that cannot run it. Its last bytes are its checksum:

    library | gatelab library <name> <sha256 of all before, in hex>

An entry is read once and checked; what is loaded is a private copy of the bytes that were checked, for whoever changes
a file that is mapped as code ends the process. A damaged entry is compiled anew; one that another user wrote or may
write is not used. A lock file lets one process compile while others wait.
"""

import atexit
import ctypes
import hashlib
import logging
import os
import platform
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from gatelab.disk import because, make_folder, remove_leftovers, write_atomically
from gatelab.errors import UserError
from gatelab.locks import take_lock
from gatelab.paths.native import c_compiler
from gatelab.paths.native.c_compiler import compile_library, compiler, compiler_identity, flags, no_compiler

__all__ = ["CACHE_VARIABLE", "cache_directory", "check_cache", "compiler", "load", "no_compiler", "unusable"]

CACHE_VARIABLE = "GATELAB_CACHE"
"""The environment variable that names the folder of compiled libraries."""

_log = logging.getLogger(__name__)
_PREFIX = b"gatelab library "
_NAME = 32  # hex digits
_LENGTH = len(_PREFIX) + _NAME + 1 + 64


def cache_directory() -> Path | None:
    """Return the folder of compiled libraries: $GATELAB_CACHE, else $XDG_CACHE_HOME/gatelab, else ~/.cache/gatelab.

    None where nobody knows the user's home.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).absolute()  # the compiler works in another folder
    above = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(above):
        home = os.environ.get("HOME") or _home_of_user()
        if not os.path.isabs(home):
            return None
        above = os.path.join(home, ".cache")
    return Path(above) / "gatelab"


def _home_of_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # a user without an entry, as in some containers
        return ""


def load(text: str, *functions: str) -> ctypes.CDLL:
    """Return the library of a C source with these functions, compiled if need be.

    Where the cache folder cannot be used, that is a line on the log, and the library is compiled for this process.

    Raises:
        UserError: no compiler, or a compiler that fails.
    """
    command = compiler()
    if command is None:
        raise UserError(str(no_compiler()))
    folder = cache_directory()
    return _load(text, functions, command, None if folder is None else str(folder))


@cache
def _load(text: str, functions: tuple[str, ...], command: str, folder: str | None) -> ctypes.CDLL:
    try:
        facts = (text, compiler_identity(command), _processor(), *flags())
    except OSError as error:
        raise UserError(f"the C compiler {command} is not there any more: {error.strerror}") from error
    name = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:_NAME]
    if folder is None:
        problem = "compiled code is not kept: nobody knows the user's home"
    elif reason := unusable(Path(folder)):
        problem = f"compiled code cannot be kept in {folder}: {reason}"
    else:
        try:
            return _library(text, functions, command, Path(folder), name)
        except OSError as error:
            problem = f"compiled code cannot be kept in {folder}: {because(error)}"
    _say_once(f"{problem}; it is compiled for this process alone")
    try:
        return _library(text, functions, command, Path(_private_folder()), name)
    except OSError as error:
        raise UserError(f"compiled code has no place, not even {tempfile.gettempdir()}: {because(error)}") from error


def check_cache(folder: Path) -> tuple[int, list[tuple[Path, str]]]:
    """Read every library in a cache folder; return how many are whole, and those that are not, each with the reason."""
    whole, damaged = 0, []
    for path in sorted(folder.glob("*.so")):
        try:
            _body(_read(path), path.stem)
        except (OSError, ValueError) as error:
            damaged.append((path, because(error) if isinstance(error, OSError) else str(error)))
        else:
            whole += 1
    return whole, damaged


def unusable(folder: Path) -> str:
    """Return why a folder, which is made if need be, cannot hold code; empty if it can."""
    try:
        make_folder(folder, mode=0o755)
        status = folder.stat()
    except UserError as error:
        return str(error).rpartition(": ")[2]
    except OSError as error:
        return because(error)
    if status.st_uid not in _trusted():
        return "it belongs to another user"
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        return "every user may write there"
    return ""


def _trusted() -> tuple[int, int]:
    """Return whose files may be run: ours and the administrator's."""
    return os.geteuid(), 0


def _kept(folder: Path, name: str) -> bytes | None:
    """Return the library that the cache has under a name, whole; None if it has none. A damaged one is removed."""
    path = folder / f"{name}.so"
    try:
        return _body(_read(path), name)
    except FileNotFoundError:
        return None
    except ValueError as error:
        _say_once(f"compiled code is not used: {path}: {error}; it is compiled anew")
        path.unlink(missing_ok=True)
        return None


def _read(path: Path) -> bytes:
    """Return the bytes of an entry. Raises ValueError if it is not one of our own, and OSError."""
    try:
        # not open_regular: a link in a cache may lead to what another user has written
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise ValueError("it is a link") from error
        raise
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no file")
        if status.st_uid not in _trusted():
            raise ValueError("it belongs to another user")
        if status.st_mode & (stat.S_IWOTH | stat.S_IWGRP):
            raise ValueError("others may write it")
        return file.read()


def _body(data: bytes, name: str) -> bytes:
    """Return the library in an entry. Raises ValueError if it is damaged, or that of another name."""
    body, end = data[:-_LENGTH], data[-_LENGTH:]
    if len(end) < _LENGTH or not end.startswith(_PREFIX):
        raise ValueError("damaged: it has no end")
    if end != _end(body, name):
        raise ValueError("damaged: its bytes are not those that were written")
    return body


def _end(body: bytes, name: str) -> bytes:
    return _PREFIX + name.encode() + b" " + hashlib.sha256(body).hexdigest().encode()


def _library(text: str, functions: tuple[str, ...], command: str, folder: Path, name: str) -> ctypes.CDLL:
    return _loaded(_kept(folder, name) or _compiled(text, functions, command, folder, name), folder)


def _compiled(text: str, functions: tuple[str, ...], command: str, folder: Path, name: str) -> bytes:
    """Compile and keep a library, unless another process has meanwhile."""
    with _lock(folder / f"{name}.lock"):
        kept = _kept(folder, name)
        if kept is not None:
            return kept
        for left in folder.glob(f"{name}.*.build"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        remove_leftovers(folder, f"{name}.so")
        with tempfile.TemporaryDirectory(
            dir=folder, prefix=f"{name}.", suffix=".build", ignore_cleanup_errors=True
        ) as work:
            body = compile_library(text, functions, command, Path(work))
        try:
            write_atomically(folder / f"{name}.so", body + _end(body, name), mode=0o644)
        except OSError as error:
            _say_once(f"compiled code cannot be kept in {folder}: {because(error)}; it is used by this process alone")
        return body


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock file; the system takes it from a process that ends. Who waits for too long goes on without it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)  # waits for no pipe
    try:
        with suppress(OSError):  # a file system without locks: then more than one may compile, which only costs time
            take_lock(descriptor, 2 * c_compiler.LONGEST_COMPILATION)
        yield
    finally:
        os.close(descriptor)


def _loaded(body: bytes, folder: Path) -> ctypes.CDLL:
    """Load a copy of a library that no other process knows of."""
    problem: OSError | None = None
    for place in (tempfile.gettempdir(), folder):  # nothing in the first may be run, on some machines
        try:
            with tempfile.TemporaryDirectory(dir=place, prefix="gatelab.", ignore_cleanup_errors=True) as private:
                copy = Path(private) / "library.so"
                copy.write_bytes(body)
                return ctypes.CDLL(str(copy))
        except OSError as error:
            problem = problem or error
    raise UserError(f"compiled code cannot be loaded: {because(problem)}" if problem else "")


@cache
def _private_folder() -> str:
    """Return a folder that goes with the process."""
    folder, owner = tempfile.mkdtemp(prefix="gatelab."), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


@cache
def _say_once(words: str) -> None:
    _log.warning("%s", words)


@cache
def _processor() -> str:
    """Return what -march=native looks at."""
    lines: list[str] = []
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    keys = ("flags", "Features", "vendor_id", "model name", "cpu family", "model\t", "CPU ", "isa", "uarch", "cpu\t")
    facts = sorted({line for line in lines if line.startswith(keys)})
    # where the system does not say, libraries are not shared between machines
    return "\n".join([platform.machine(), platform.processor(), *(facts or [platform.node()])])
