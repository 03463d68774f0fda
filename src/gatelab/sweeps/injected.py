"""For tests only: one run of a sweep made to fail, so that the others can be seen to go on.

``GATELAB_INJECTED_FAULT=kill:3`` kills every process that is about to train the run of seed 3.
"""

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from gatelab.configuration import RunConfiguration

__all__ = ["VARIABLE", "inject"]

VARIABLE = "GATELAB_INJECTED_FAULT"


def inject(configurations: Sequence[RunConfiguration]) -> None:
    """Do what the environment asks for, if the run it names, by its seed, is among these."""
    asked = os.environ.get(VARIABLE)
    if asked is None:
        return
    kind, _, seed = asked.partition(":")
    if int(seed) in [configuration.seed for configuration in configurations]:
        _KINDS[kind]()


def _raise() -> None:
    raise RuntimeError("injected")


def _memory() -> None:
    raise MemoryError("injected")


def _interrupt() -> None:
    raise KeyboardInterrupt


def _segfault() -> None:
    faulthandler.disable()
    signal.raise_signal(signal.SIGSEGV)


def _hang() -> None:
    while True:
        time.sleep(1)


_KINDS: dict[str, Callable[[], None]] = {
    "raise": _raise,
    "memory": _memory,
    "interrupt": _interrupt,
    "exit": lambda: sys.exit(3),
    "leave": lambda: os._exit(7),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": _segfault,
    "hang": _hang,
}
