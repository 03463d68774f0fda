"""The content of a store: which runs are finished, begun, claimed, failed or damaged, and leftover files."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gatelab.disk import writing
from gatelab.store.finished_run import Damaged
from gatelab.store.lease.lease import standing_owner
from gatelab.store.lease.owner import Owner
from gatelab.store.store import Store

__all__ = ["INCOMING", "Inventory", "inventory", "remove_leftovers_of"]

INCOMING = ".incoming"
"""The folder of runs that are being put in from outside (:mod:`gatelab.store.care.incoming`)."""


@dataclass
class Inventory:
    """The runs of a store by their identities, each list sorted.

    Attributes:
        finished: without damage.
        unsealed: of the finished ones, those older than seals.
        unfinished: begun and not ended, including failed ones and those in training.
        claimed: run -> owner.
        failed: given up in their last launch.
        damaged: run -> the damage.
        leftovers: files that a killed process left: half-written ones, claims on finished runs, and
            the folder of a merge.
    """

    finished: list[str] = field(default_factory=list)
    unsealed: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    claimed: dict[str, Owner] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    damaged: Mapping[str, Damaged] = field(default_factory=dict)
    leftovers: list[Path] = field(default_factory=list)

    @property
    def runs(self) -> int:
        """How many there are."""
        return len(self.finished) + len(self.unfinished) + len(self.damaged)


def inventory(store: Store, *, every_byte: bool = False) -> Inventory:
    """Check every run of a store; with ``every_byte``, read checkpoints too. Raises UserError without a store."""
    found = Inventory()
    for identity in sorted([*(result.identity for result in store.results()), *store.damaged]):
        damaged = store.damage(identity) if every_byte else store.damaged.get(identity)
        if damaged is None:
            found.finished.append(identity)
            if not store.sealed(identity):
                found.unsealed.append(identity)
    found.damaged = dict(sorted(store.damaged.items()))
    found.unfinished = store.unfinished()
    found.failed = sorted(store.failures())
    for identity in found.unfinished:
        folder = store.runs_dir / identity
        owner = standing_owner(folder)
        if owner is not None:
            found.claimed[identity] = owner
        if owner is None:
            found.leftovers += _temporary(folder)
    for identity in (*found.finished, *found.damaged):
        folder = store.runs_dir / identity
        if standing_owner(folder) is None or identity in found.finished:
            found.leftovers += [*_temporary(folder), *sorted(folder.glob("claim-*.json"))]
    incoming = store.runs_dir / INCOMING
    if incoming.is_dir() and standing_owner(incoming) is None:
        found.leftovers.append(incoming)
    return found


def remove_leftovers_of(found: Inventory) -> None:
    """Remove what killed processes left. Raises UserError for what cannot be removed."""
    for path in found.leftovers:
        with writing(path):
            # no other folder is ours: what stands in the place of a file is not removed with all that it holds
            if path.name == INCOMING and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _temporary(folder: Path) -> list[Path]:
    return [
        Path(place) / name
        for place in (folder, folder / "checkpoint")
        for name in (sorted(os.listdir(place)) if place.is_dir() else ())
        if name.startswith(".") and name.endswith(".tmp")
    ]
