"""How the stacks of a sweep are executed: the keys below ``hydra.launcher``."""

import os
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gatelab.validation import check

__all__ = ["ExecutorOptions", "RayOptions", "SubmititOptions", "cores"]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SubmititOptions(_Options):
    """What submitit is asked for; ``parameters`` are those of its ``AutoExecutor.update_parameters``."""

    cluster: Literal["slurm", "local", "debug"] | None = None
    timeout_min: float = Field(default=24 * 60, gt=0)
    cpus_per_task: int = Field(default=1, ge=1)
    gpus_per_node: int = Field(default=0, ge=0)
    mem_gb: float | None = Field(default=None, gt=0)
    slurm_partition: str | None = None
    slurm_account: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class RayOptions(_Options):
    """Where the Ray cluster is, and what of it a stack takes."""

    address: str | None = None
    num_cpus: float = Field(default=1, gt=0)
    num_gpus: float = Field(default=0, ge=0)


class ExecutorOptions(_Options):
    """Who trains the stacks, how many at once, and when one is given up."""

    executor: Literal["inline", "processes", "submitit", "ray"] = "processes"
    workers: int | None = Field(default=None, ge=1)
    """Stacks trained at once; None for one on each GPU, or on as many cores as there are for ``threads`` each."""
    limit_minutes: float | None = Field(default=None, gt=0)
    """The longest that one stack may take, from the moment it runs."""
    silent_minutes: float | None = Field(default=30.0, gt=0)
    """The longest that one stack may go without a step; only where steps are seen: with ``processes``."""
    retries: int = Field(default=0, ge=0)
    """How often a run that has failed alone is tried again in the same launch."""
    submitit: SubmititOptions = SubmititOptions()
    ray: RayOptions = RayOptions()

    @classmethod
    def read(cls, mapping: Mapping[str, Any]) -> "ExecutorOptions":
        """Return the options in a mapping. Raises UserError, in one line, for what is not allowed."""
        return check(cls, mapping, "hydra.launcher")

    def slots(self, threads: int, gpus: int) -> int:
        """Return how many stacks run at once on this machine."""
        if self.workers is not None:
            return self.workers
        return gpus or max(1, cores() // threads)


def cores() -> int:
    """Return how many cores this process may use, which in a container are fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
