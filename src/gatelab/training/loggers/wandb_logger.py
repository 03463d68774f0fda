"""A run in Weights & Biases: its place, its numbers and gates, its result, its checkpoint."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gatelab.configuration import RunConfiguration
from gatelab.keys import WandbSection
from gatelab.probes.gates import GateHistogram
from gatelab.probes.records import GATES, HISTOGRAM, ProbeKey
from gatelab.store import Result
from gatelab.training.loggers.wandb_process import TAG, shortened, start_run, tags_of_environment

__all__ = ["WandbRun", "open_wandb"]

STEP = "trainer/global_step"  # the name in Lightning's logger


class WandbRun:
    """One run in W&B.

    Args:
        run: as ``wandb.init`` returns it.
        section: which checkpoint is an artifact, and how long a call may take.
        tags: of the run at its start.
        folder: of the run, with its checkpoints in checkpoint/.
    """

    def __init__(self, run: Any, section: WandbSection, tags: Sequence[str], folder: Path) -> None:
        self.run, self.section, self.tags, self.folder = run, section, tuple(tags), folder
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP, step_sync=True)
        # a resumed run gets its history again, and already has the rows up to here
        self._shown = int(run.summary.get(STEP, 0)) if run.resumed else 0

    def log(self, step: int, numbers: Mapping[str, float], gates: Sequence[GateHistogram]) -> None:
        """Log a row, with a histogram for each gate."""
        import wandb

        if step <= self._shown:
            return
        histograms = {
            str(ProbeKey(GATES, gate.name, HISTOGRAM)): wandb.Histogram(np_histogram=(gate.counts, gate.edges))
            for gate in gates
        }
        self.run.log({**numbers, **histograms, STEP: step})

    def finish(self, result: Result, numbers: Mapping[str, float]) -> None:
        """Write the result into summary and tags, keep the checkpoint if asked, and end the run."""
        try:
            self._tell(result.status, {**numbers, "path": result.path})
            if self.section.checkpoints != "none":
                self._keep_checkpoint(result)
        finally:
            self.run.finish(exit_code=0)

    def close(self) -> None:
        """End the run as unfinished."""
        try:
            self._tell("unfinished", {})
        finally:
            self.run.finish(exit_code=1)

    def _tell(self, status: str, numbers: Mapping[str, Any]) -> None:
        self.run.summary.update({**numbers, "status": status})
        self.run.tags = tuple(shortened(tag, TAG) for tag in dict.fromkeys((*self.tags, status)))

    def _keep_checkpoint(self, result: Result) -> None:
        import wandb

        which = self.section.checkpoints
        file = self.folder / "checkpoint" / f"{which}.pt"
        if not file.exists():  # diverged before the first validation: there is no best
            return
        step = result.best_step if which == "best" else result.steps
        artifact = wandb.Artifact(
            f"checkpoint-{result.identity}", type="model", metadata={"identity": result.identity, "step": step}
        )
        # a finished run's checkpoints do not change: no copy is needed for uploading or reading
        artifact.add_file(str(file), name=file.name, policy="immutable", skip_cache=True)
        self.run.log_artifact(artifact, aliases=[which])


def open_wandb(configuration: RunConfiguration, folder: Path, sweep: str | None) -> WandbRun:
    """Start or resume the run of W&B whose id is the run's identity.

    Args:
        configuration: of the run; its scientific part becomes the config.
        folder: of the run. If it has a history, the run is resumed.
        sweep: the group; None for a run of its own.
    """
    section = configuration.logger.wandb
    assert section is not None
    own = (configuration.variant.name, configuration.task.name, configuration.opening.name)
    tags = (*own, *tags_of_environment())
    named = os.environ.get("WANDB_NAME") if sweep is None else None
    history = folder / "metrics.jsonl"
    run = start_run(
        section,
        Path(configuration.runs_dir),
        name=named or f"{configuration.label} seed {configuration.seed}",
        job_type=configuration.label,
        group=sweep,
        tags=tags,
        # nested: W&B shows and filters optimizer.lr, but wants names without dots
        config={**configuration.science, "label": configuration.label, "identity": configuration.identity},
        identity=configuration.identity,
        resumed=history.exists() and history.stat().st_size > 0,
    )
    return WandbRun(run, section, tags, folder)
