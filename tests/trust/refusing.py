"""A disk that refuses: calls to it below a folder are counted, and one, or all from one on, fail in the C library."""

import atexit
import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["MODES", "Refusing", "library"]

MODES = ("once", "lasting", "half")
"""That call alone; it and all after it; half of the next write is done, and the write after it is refused."""


@cache
def library() -> Path:
    """Return the library that has to be preloaded into a process, compiled for this session."""
    folder = Path(tempfile.mkdtemp(prefix="gatelab-refusing-"))
    atexit.register(shutil.rmtree, folder)
    target = folder / "refusing.so"
    source = Path(__file__).with_name("refusing.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", str(source), "-o", str(target), "-ldl"], check=True)
    return target


@dataclass(frozen=True)
class Refusing:
    """Makes the disk refuse, in the process that calls it with a folder.

    Attributes:
        call: the call below the folder that is refused, counted from 1; 0 for none.
        error: number of the error.
        mode: one of MODES.
        told: a file that gets how many calls there were and how many were refused, when the process ends.
    """

    call: int
    error: int
    mode: str
    told: Path

    def __call__(self, folder: Path) -> Callable[[], None]:
        preloaded = ctypes.CDLL(None)
        numbers = (ctypes.c_long(self.call), self.error, MODES.index(self.mode))
        preloaded.gatelab_refuse(str(folder).encode(), *numbers)

        def tell() -> None:
            self.told.write_text(f"{preloaded.gatelab_passed()} {preloaded.gatelab_refused()}")

        return tell

    def counts(self) -> tuple[int, int]:
        """Return how many calls there were, and how many of them were refused."""
        passed, refused = self.told.read_text().split()
        return int(passed), int(refused)
