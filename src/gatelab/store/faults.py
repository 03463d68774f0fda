"""For tests only: points where a process dies or fails on request, to check that nothing is lost or repeated.

An environment variable sets the fault:

    GATELAB_FAULT="crash:after append"      the process dies when it first reaches this point, as if killed
    GATELAB_FAULT="crash:after append:3"    at the third
    GATELAB_FAULT="kill:3"                  every process that starts to train the run of seed 3 is killed
"""

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable, Collection

__all__ = ["CARE_POINTS", "CRASH_POINTS", "VARIABLE", "crash_point", "seed_fault"]

VARIABLE = "GATELAB_FAULT"
_CRASH = "crash"
_FILES = ("config.yaml", "metrics.jsonl", "best.pt", "last.pt", "provenance.json", "result.json")
_MOMENTS = ("before write", "after write", "after fsync", "after rename", "after sync")

CRASH_POINTS: tuple[str, ...] = (
    "before claim",
    "after claim",
    "before takeover",
    "after takeover",  # the new claim exists, and the lower ones are not removed yet
    *(f"{moment} {name}" for name in _FILES for moment in _MOMENTS),
    "after aside last.pt",  # the previous checkpoint was moved aside, the new one is not in place yet
    "before append",
    "after append",
    "before first step",
    "after first step",
    "after last step",
    "before test",
    "before finish",
    "after finish",
    "before release",
    "after release",
)
"""All points of a sweep. metrics.jsonl is written as a whole only when a run is resumed."""

CARE_POINTS: tuple[str, ...] = (
    "after incoming file",
    "after incoming aside",  # the run that was there is set aside, the new one is not in its place yet
    "after incoming run",
    "after archived run",
    "after archive",  # complete, and not under its name yet
    "after unsealing",  # the result names a checkpoint as pruned, and the file is still there
    "after pruning",
)
"""Those of the commands that care for a store."""


def crash_point(name: str) -> None:
    """End the process at once, with status 137 as if killed, if this is the requested point."""
    kind, asked = _asked()
    if kind != _CRASH:
        return
    if name not in (*CRASH_POINTS, *CARE_POINTS):
        raise ValueError(f"{name!r} is not among the crash points")
    place, _, passage = asked.partition(":")
    if place == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(passage or 1):
            os._exit(137)


_passed: dict[str, int] = {}


def seed_fault(seeds: Collection[int]) -> None:
    """Cause the requested fault if its seed is among these."""
    kind, asked = _asked()
    if kind not in ("", _CRASH) and int(asked) in seeds:
        _KINDS[kind]()


def _asked() -> tuple[str, str]:
    kind, _, where = os.environ.get(VARIABLE, "").partition(":")
    return kind, where


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
