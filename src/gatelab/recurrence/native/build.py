"""From C to a loaded library: compiled once with the system's compiler and kept, by content.

The name of a library is a hash of its source, the compiler, the flags and the processor, so that a cache on a shared
disk never hands code to a machine that cannot run it. A lock file lets one process compile while others wait; the
library gets its name by rename, so that no one loads half of it.
"""

import ctypes
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from gatelab.errors import UserError

__all__ = ["CACHE_VARIABLE", "cache_directory", "compiler", "load"]

CACHE_VARIABLE = "GATELAB_CACHE"
"""The environment variable that names the folder of compiled libraries."""

_FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-std=gnu11", "-shared", "-fPIC", "-w")
# without OpenMP everything still runs, on one thread
_OPENMP = "-fopenmp"
_LONGEST_COMPILATION = 300  # seconds


def cache_directory() -> Path:
    """Return the folder of compiled libraries: $GATELAB_CACHE, else $XDG_CACHE_HOME/gatelab, else ~/.cache/gatelab."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "gatelab"


def compiler() -> str | None:
    """Return the path of the C compiler, $CC or else cc, gcc or clang; None if there is none."""
    return _compiler(os.environ.get("CC"), os.environ.get("PATH"))


@cache
def _compiler(wished: str | None, path: str | None) -> str | None:
    for name in (wished,) if wished else ("cc", "gcc", "clang"):
        found = shutil.which(name, path=path)
        if found:
            return found
    return None


def load(text: str) -> ctypes.CDLL:
    """Return the library of a C source, compiled if need be.

    Raises:
        UserError: no compiler, a compiler that fails, or a cache folder that cannot be written.
    """
    found = compiler()
    if found is None:
        raise UserError("no C compiler (cc, gcc or clang; CC names another)")
    return _load(text, found, str(cache_directory()))


@cache
def _load(text: str, found: str, folder: str) -> ctypes.CDLL:
    name = hashlib.sha256("\n".join((text, _identity(found), _processor(), *_FLAGS)).encode()).hexdigest()[:32]
    library = Path(folder) / f"{name}.so"
    try:
        if not library.exists():
            library.parent.mkdir(parents=True, exist_ok=True)
            with (library.parent / f"{name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not library.exists():
                    _compile(text, found, library)
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise UserError(f"compiled code cannot be kept in {folder}: {error.strerror or error}") from error


def _compile(text: str, found: str, library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=f"{library.stem}.") as place:
        source, fresh = Path(place) / "program.c", Path(place) / "program.so"
        source.write_text(text, encoding="utf-8")
        problem = ""
        for flags in ((*_FLAGS, _OPENMP), _FLAGS):
            command = [found, *flags, str(source), "-o", str(fresh), "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_COMPILATION, check=False)
            if done.returncode == 0:
                fresh.replace(library)
                return
            problem = problem or " ".join(done.stderr.split())[:200]
        raise UserError(f"the C compiler {found} fails: {problem}")


@cache
def _identity(found: str) -> str:
    """Return what changes when the compiler does, without starting it."""
    file = Path(found).resolve()
    status = file.stat()
    return f"{file} {status.st_size} {status.st_mtime_ns}"


@cache
def _processor() -> str:
    """Return what -march=native looks at."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    keys = ("flags", "Features", "model name", "cpu family", "model\t", "CPU part")
    facts = sorted({line for line in lines if line.startswith(keys)})
    return "\n".join([platform.machine(), platform.processor(), *facts])
