"""Care for whole stores: runs pulled together, kept in one file, and freed of checkpoints that nothing needs."""

from gatelab.store.care.archive import archive, is_archive
from gatelab.store.care.merge import Merged, merge
from gatelab.store.care.prune import Pruned, prune

__all__ = ["Merged", "Pruned", "archive", "is_archive", "merge", "prune"]
