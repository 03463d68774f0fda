"""Places where a process can be made to die, so that tests can show that none of them loses or repeats anything."""

import os

__all__ = ["CRASH_POINTS", "crash_point"]

VARIABLE = "GATELAB_CRASH"
_FILES = ("config.yaml", "metrics.jsonl", "best.pt", "last.pt", "provenance.json", "result.json")
_MOMENTS = ("before write", "after write", "after fsync", "after rename", "after sync")

CRASH_POINTS: tuple[str, ...] = (
    "before claim",
    "after claim",
    "before takeover",
    "after takeover",  # the new claim stands, and those it outranks are still there
    *(f"{moment} {name}" for name in _FILES for moment in _MOMENTS),
    "after aside last.pt",  # the previous checkpoint has been put aside, and the new one is not in its place
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
"""Every place, in no order. metrics.jsonl is written as a whole only where a run is resumed."""


def crash_point(name: str) -> None:
    """End the process at once, with status 137 as if killed, if ``GATELAB_CRASH`` names this place.

    ``GATELAB_CRASH="after append"`` is the first passage, ``"after append:3"`` the third.
    """
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    if name not in CRASH_POINTS:
        raise ValueError(f"{name!r} is not among the crash points")
    place, _, passage = wanted.partition(":")
    if place == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(passage or 1):
            os._exit(137)


_passed: dict[str, int] = {}
