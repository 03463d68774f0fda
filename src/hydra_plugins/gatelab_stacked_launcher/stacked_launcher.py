"""Hydra's launcher ``stacked``. Hydra loads this file at every start, so it imports nothing heavy.

(No ``from __future__ import annotations`` here: beside a dataclass it breaks Hydra 1.3's plugin scan.)
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class StackedLauncherConfig:
    """The options of the launcher."""

    _target_: str = "hydra_plugins.gatelab_stacked_launcher.stacked_launcher.StackedLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="stacked", node=StackedLauncherConfig, provider="gatelab")


class StackedLauncher(Launcher):
    """Composes every point of a sweep, and hands them all at once to gatelab."""

    def __init__(self) -> None:
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what composing the points needs. The task function trains a single run; here the points go together."""
        from gatelab.commands.train import begin_sweep

        self.hydra_context = hydra_context
        self.config = config
        begin_sweep(Path(config.hydra.sweep.dir))

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose and check every point, train what the store lacks, print the tables.

        Returns:
            for each point its validation score, for sweepers that search.
        """
        from gatelab.commands.train import train_points
        from gatelab.configuration import added_directories, plain

        assert self.config is not None and self.hydra_context is not None
        loader = self.hydra_context.config_loader
        composed = [loader.load_sweep_config(self.config, list(overrides)) for overrides in job_overrides]
        shared = set.intersection(*(set(overrides) for overrides in job_overrides))
        names = [
            " ".join(word for word in overrides if word not in shared) or "the same" for overrides in job_overrides
        ]
        sweep = Path(self.config.hydra.sweep.dir).name
        scores = train_points([plain(point) for point in composed], sweep, added_directories(sys.argv[1:]), names)
        return [
            _finished(overrides, configuration, score)
            for overrides, configuration, score in zip(job_overrides, composed, scores, strict=True)
        ]


def _finished(overrides: Sequence[str], configuration: Any, score: float) -> JobReturn:
    job = JobReturn(overrides=list(overrides), cfg=configuration, status=JobStatus.COMPLETED)
    job.return_value = score
    return job
