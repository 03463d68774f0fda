"""How the stacks of a sweep are executed: the keys below ``hydra.launcher``."""

import os
from collections.abc import Mapping
from typing import Any

from gatelab.keys import LauncherKeys
from gatelab.validation import check

__all__ = ["ExecutorOptions", "cores"]


class ExecutorOptions(LauncherKeys):
    """The keys below ``hydra.launcher``, checked."""

    @classmethod
    def read(cls, mapping: Mapping[str, Any]) -> "ExecutorOptions":
        """Return the options in a mapping. Raises UserError, in one line, for values that are not allowed."""
        return check(cls, mapping, "hydra.launcher")

    def slots(self, threads: int, gpus: int) -> int:
        """Return how many stacks run at once on this machine."""
        if self.workers is not None:
            return self.workers
        return gpus or max(1, cores() // threads)


def cores() -> int:
    """Return how many cores this process may use, in a container fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
