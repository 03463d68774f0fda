"""Checkpoints that nothing needs any more are removed from finished runs.

``best.pt`` stays: every analysis of the network reads it. ``last.pt``, which also has the state of the optimiser and is
several times as large, is needed to go on training; a finished run is not trained. Where the last weights are the best
ones, both files have them; where not, ``last.pt`` is the only place of them, and it stays unless it is asked for.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from gatelab.disk import because, sync_folder, write_atomically, writing
from gatelab.errors import UserError
from gatelab.reading import read_bytes
from gatelab.store.faults import crash_point
from gatelab.store.finished_run import RESULT, Damaged, DamagedRunError, Finished, read_finished, sealed_result
from gatelab.store.lease.lease import take_claim
from gatelab.store.store import Store

__all__ = ["Pruned", "prune"]

_BEST, _LAST = "checkpoint/best.pt", "checkpoint/last.pt"


@dataclass
class Pruned:
    """What has been freed, or would be.

    Attributes:
        runs: of which a checkpoint is removed; size: bytes of these.
        own: finished runs whose last checkpoint stays, because it alone holds their last weights; own_size: bytes.
        unsealed: finished runs older than seals, which stay as they are.
        damaged: finished runs that are damaged, and stay as they are.
    """

    runs: int = 0
    size: int = 0
    own: int = 0
    own_size: int = 0
    unsealed: int = 0
    damaged: tuple[Damaged, ...] = ()


def prune(store: Store, *, last: bool = False, plan: bool = False) -> Pruned:
    """Remove the last checkpoint of finished runs whose best checkpoint holds the same weights.

    Every byte of a run is checked first; its result then tells what was removed, so that a check misses nothing. A run
    that is not finished keeps everything. A process that dies leaves runs that are whole; the same call goes on.

    Args:
        store: of the runs.
        last: also where the last weights are others than the best. A run that diverged keeps them all the same.
        plan: only count.

    Raises:
        UserError: no store, or a file that cannot be written.
    """
    found = Pruned()
    for result in store.results():
        damage = store.damage(result.identity)
        finished = None if damage is not None else read_finished(str(store.runs_dir / result.identity), result.identity)
        if finished is None or finished.files is None:
            found.unsealed += damage is None
            continue
        size = _size(store.runs_dir / result.identity / _LAST)
        if size is None:
            continue
        if _LAST in finished.pruned or _spare(finished, last=last):
            found.runs += 1
            found.size += size
            if not plan:
                _remove(store.runs_dir / result.identity)
        else:
            found.own += 1
            found.own_size += size
    found.damaged = tuple(store.damaged[identity] for identity in sorted(store.damaged))
    return found


def _spare(finished: Finished, *, last: bool) -> bool:
    result, files = finished.result, finished.files or {}
    same = result.best_step == result.steps
    return result.status == "finished" and {_BEST, _LAST} <= files.keys() and (same or last)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {because(error)}") from error


def _remove(folder: Path) -> None:
    """Let the seal name the checkpoint as pruned, then remove the checkpoint."""
    claim = take_claim(folder)
    if claim is None:  # another process prunes it, or trains it again
        return
    try:
        data = read_bytes(folder / RESULT)
        finished = read_finished(str(folder), folder.name)
        if finished is None or finished.files is None:
            return
        if _LAST in finished.files:
            files = {name: digest for name, digest in finished.files.items() if name != _LAST}
            pruned = {**finished.pruned, _LAST: finished.files[_LAST]}
            fields = {name: value for name, value in json.loads(data).items() if name != "seal"}
            with writing(folder / RESULT):
                write_atomically(folder / RESULT, sealed_result(fields, files, pruned), guard=claim.check)
        crash_point("after unsealing")
        with writing(folder / _LAST):
            (folder / _LAST).unlink(missing_ok=True)
            sync_folder(folder / "checkpoint")
        crash_point("after pruning")
    except DamagedRunError:  # it has changed since it was checked
        return
    finally:
        claim.release()
