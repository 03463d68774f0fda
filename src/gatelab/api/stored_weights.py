"""The checkpoint of a stored run that holds the weights asked for."""

from pathlib import Path

from gatelab.errors import UserError, suggest
from gatelab.reading import read_bytes
from gatelab.store import DamagedRunError, Store

__all__ = ["UNTRAINED", "checkpoint_with"]

WEIGHTS = ("best", "last")
UNTRAINED = "initial"
"""The weights that stand in no checkpoint: they are drawn again."""


def checkpoint_with(store: Store, identity: str, weights: str) -> tuple[Path, bytes]:
    """Return the checkpoint of a run that holds some weights, and its bytes.

    Raises:
        UserError: an unknown name of weights; there are none, or the run is damaged.
    """
    if weights not in WEIGHTS:
        hint = suggest(str(weights), (*WEIGHTS, UNTRAINED))
        raise UserError(f"weights={weights}: must be {', '.join(WEIGHTS)} or {UNTRAINED}{hint}")
    damaged = store.damage(identity)  # which reads the checkpoints
    if damaged is not None:
        raise DamagedRunError(damaged)
    result = store.finished(identity)
    if result is not None and weights == "best" and result.best_step is None:
        raise UserError(
            f"run {identity} diverged at step {result.diverged_at}, before its first validation: it has no "
            "best weights; weights='last' has those of its end"
        )
    # of a run that has not ended, last.pt alone is sure to be there, and holds the best weights as well
    name = "best.pt" if weights == "best" and result is not None else "last.pt"
    path = store.folder(identity) / "checkpoint" / name
    if result is not None and not path.exists() and name == "last.pt":
        if result.best_step != result.steps:
            raise UserError(
                f"run {identity} has no last weights any more: {path} was removed; weights='best' has its best "
                "ones, and another runs_dir trains it again, to the same bits"
            )
        path = path.with_name("best.pt")  # which holds the same weights
    if not path.exists():
        raise UserError(f"run {identity} has no checkpoint yet: {path} is not there")
    return path, read_bytes(path)
