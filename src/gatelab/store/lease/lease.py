"""Claims: only one process at a time may train a run.

A claim is a file ``claim-<token>.json`` in the run's folder. It is created with its content in one atomic step that
fails if the file exists, so only one of many processes succeeds. If its owner is a process of this machine, the claim
is valid while that process is alive, whatever the clocks show. The state of an owner on another machine, or of a
stopped one, is unknown: an owner renews its claim (the modification time) while it trains, and a claim that was not
renewed for the length of its lease is invalid. Clocks of two machines are not compared for that: whoever wants the run
watches the claim for as long, by its own clock. Only a claim from hours ago is believed to be one. An invalid claim is
replaced by the next one, with a higher token. The
highest token is the owner's: a process that was paused for longer finds a higher one when it continues, and stops
writing (fencing). Tokens only grow until the run is finished.

    claim-000003.json   {"nonce": "…", "lease": 60.0, "released": false, "host": "…", "pid": 4711, …}

So clocks of machines that share a store may differ by an hour, and one that is ahead does no harm at all.
"""

import errno
import json
import os
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gatelab.disk import temporary_path, write_atomically, write_new, writing
from gatelab.errors import UserError
from gatelab.reading import Limits, check_regular, read_bytes
from gatelab.store.faults import crash_point
from gatelab.store.lease.owner import Owner, this_process

__all__ = ["LEASE", "Claim", "ClaimLost", "remove_claims", "standing_owner", "take_claim"]

LEASE = 60.0
"""Seconds for which a claim is valid without renewal."""

_APART = 3600.0
"""Seconds by which the clocks of two machines may differ."""
_LARGEST = 65536  # bytes of a claim
_LONGEST_LEASE = 86400.0  # seconds; a claim with more is damaged
_NO_LINKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EINVAL)

Clock = Callable[[], float]
_NAME = re.compile(r"claim-(\d{6,})\.json")


class ClaimLost(Exception):  # noqa: N818 - the name states the event
    """The run has another owner now; this process must not write it any more."""


class Claim:
    """The right to write one run's folder. Use ``Store.claim``.

    Attributes:
        identity: of the run.
        token: higher than that of every owner before.
    """

    def __init__(self, folder: Path, token: int, content: dict[str, Any], clock: Clock = time.time) -> None:
        self.folder, self.token, self.content, self.clock = folder, token, content, clock
        self.identity = folder.name
        self.path = _path(folder, token)
        self._data = _data(content)

    @property
    def lease(self) -> float:
        """Seconds for which it is valid without renewal."""
        return float(self.content["lease"])

    def check(self) -> None:
        """Raise ClaimLost unless this is still the valid claim."""
        if _highest(self.folder) != self.token or _read(self.path) != self._data:
            raise ClaimLost(f"run {self.identity} was taken over by {self._successor()}")

    def renew(self) -> None:
        """Restart the lease; does nothing if the run has another owner now, which ``check`` reports."""
        now = self.clock()
        try:
            os.utime(self.path, (now, now))
        except OSError:
            return

    def release(self) -> None:
        """Release the run, finished or not. Releasing a lost claim, or twice, does nothing."""
        crash_point("before release")
        try:
            self.check()
            if (self.folder / "result.json").exists():
                # a finished run has no owner any more, so the tokens need not grow further
                self.path.unlink(missing_ok=True)
            else:
                try:
                    write_atomically(self.path, _data({**self.content, "released": True}), names=False)
                except OSError:  # such as a full disk; a replaced owner notices the nonce of the next one
                    self.path.unlink(missing_ok=True)
        except (ClaimLost, OSError):
            return
        crash_point("after release")

    def _successor(self) -> str:
        owner = standing_owner(self.folder, self.clock)
        return "another process" if owner is None else str(owner)


def take_claim(
    folder: Path, *, lease: float = LEASE, clock: Clock = time.time, owner: Owner | None = None
) -> Claim | None:
    """Claim the run in a folder, which must exist; None if another process has it.

    A claim is complete or absent; raises UserError if it cannot be written (a full disk), or if its path is something
    other than a file.

    Args:
        folder: of the run.
        lease: seconds for which the claim is valid without renewal.
        clock: seconds since the epoch.
        owner: of the claim; this process by default.
    """
    crash_point("before claim")
    for number in _tokens(folder):
        check_regular(_path(folder, number))
    token = _highest(folder)
    if token and not _free(folder, token, clock):
        return None
    if token:
        crash_point("before takeover")
    who = (owner or this_process()).to_mapping()
    content = {"nonce": uuid.uuid4().hex, "lease": lease, "released": False, **who}
    claim = Claim(folder, token + 1, content, clock)
    with writing(claim.path):
        if not _make(claim.path, _data(content), clock()):
            return None
    # another process may have gone further since our check: then our claim does not count, although it was made
    if _highest(folder) != claim.token:
        claim.path.unlink(missing_ok=True)
        return None
    if token:
        crash_point("after takeover")
    # lowest first, so that the highest token present is always ours, even if we are killed here
    for lower in sorted(number for number in _tokens(folder) if number < claim.token):
        _path(folder, lower).unlink(missing_ok=True)
    crash_point("after claim")
    return claim


def standing_owner(folder: Path, clock: Clock = time.time) -> Owner | None:
    """Return the owner of the run in a folder; None if it can be claimed."""
    token = _highest(folder)
    if not token or _free(folder, token, clock):
        return None
    return _owner(_content(folder, token)) or Owner("an unknown machine", "", 0, "", "an unknown time")


def remove_claims(folder: Path) -> None:
    """Remove all claims on a run; its owner stops writing it. Raises UserError for a claim that is no file."""
    for token in sorted(_tokens(folder)):
        with writing(_path(folder, token)):
            _path(folder, token).unlink(missing_ok=True)


def _free(folder: Path, token: int, clock: Clock) -> bool:
    """Return whether a claim is invalid."""
    content = _content(folder, token)
    if content.get("released") is True:
        return True
    owner = _owner(content)
    # if this process has not renewed its own claim, it could not release it
    alive = None if owner is None or owner.this() else owner.alive()
    if alive is not None:
        return not alive
    path, lease = _path(folder, token), _lease(content)
    try:
        renewed = path.stat().st_mtime
    except OSError:  # removed since our check, by an owner with a higher token or at the end of the run
        return False
    age = clock() - renewed
    if owner is not None and owner.here() and age >= -lease:
        return age > lease
    if age > lease + _APART:
        return True
    if _unchanged(path, renewed) <= lease:
        return False
    with suppress(OSError):
        os.utime(path, (0, 0))  # so that other processes need not observe it
    return True


def _unchanged(path: Path, renewed: float) -> float:
    """Return for how many seconds this process has seen a claim unchanged, by a monotonic clock."""
    now = _monotonic()
    seen, since = _watched.get(path, (renewed, now))
    if seen != renewed:
        since = now
    _watched[path] = (renewed, since)
    return now - since


_watched: dict[Path, tuple[float, float]] = {}
_monotonic = time.monotonic


def _owner(content: dict[str, Any]) -> Owner | None:
    """Return the owner in a claim; None if it is damaged: its owner, if there is one, still renews it."""
    try:
        return Owner.from_mapping(content)
    except ValueError:
        return None


def _lease(content: dict[str, Any]) -> float:
    lease = content.get("lease")
    sound = isinstance(lease, int | float) and not isinstance(lease, bool) and 0 < lease <= _LONGEST_LEASE
    return float(lease) if sound else LEASE  # type: ignore[arg-type]


def _make(path: Path, data: bytes, now: float) -> bool:
    """Make a file with its content in one step; False if it is there already."""
    temporary = temporary_path(path)
    try:
        write_new(temporary, data)
        os.utime(temporary, (now, now))
        # a link, not a rename, because it fails if the file exists; also over NFS
        os.link(temporary, path)
    except (FileExistsError, FileNotFoundError):  # the latter: another owner has cleaned the folder
        return False
    except OSError as error:
        if not isinstance(error, PermissionError) and error.errno not in _NO_LINKS:
            raise
        return _make_in_two_steps(path, data, now)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _make_in_two_steps(path: Path, data: bytes, now: float) -> bool:
    try:
        write_new(path, data)
    except FileExistsError:
        return False
    os.utime(path, (now, now))
    return True


def _tokens(folder: Path) -> list[int]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [int(match[1]) for match in map(_NAME.fullmatch, names) if match]


def _highest(folder: Path) -> int:
    return max(_tokens(folder), default=0)


def _path(folder: Path, token: int) -> Path:
    return folder / f"claim-{token:06d}.json"


def _data(content: dict[str, Any]) -> bytes:
    return f"{json.dumps(content)}\n".encode()


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, limits=Limits(size=_LARGEST))
    except UserError:
        return b""


def _content(folder: Path, token: int) -> dict[str, Any]:
    try:
        content = json.loads(_read(_path(folder, token)))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
