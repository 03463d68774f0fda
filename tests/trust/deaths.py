"""Every place where a process is made to die, and how it gets there."""

from gatelab.store import CRASH_POINTS

__all__ = ["CASES", "LEAVING"]

_RESUMING = ("before takeover", "after takeover", *(name for name in CRASH_POINTS if name.endswith("metrics.jsonl")))
"""Places that are passed only where a run was killed before."""
_AGAIN = ("before claim", "after claim", "after last step", "before append", "after aside last.pt")
_TWICE = ("after append", "after rename last.pt", "after aside last.pt", "before claim", "after finish")
_BEFORE = "after sync last.pt:2"

CASES: tuple[tuple[str | None, str], ...] = (
    *((None, point) for point in CRASH_POINTS if point not in _RESUMING),
    *((None, f"{point}:2") for point in _TWICE),
    *((_BEFORE, point) for point in (*_RESUMING, *_AGAIN)),
)
"""Where it died before, if it has to have died before, and where it dies."""

LEAVING = ("after finish", "after sync result.json", "after rename result.json", "before release")
"""Places behind which a run is finished, so that nobody opens its folder again and clears it up."""
