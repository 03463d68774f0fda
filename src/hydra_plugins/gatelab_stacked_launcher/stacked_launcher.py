"""Hydra's launcher ``stacked``. Hydra loads this file at every start, so it imports nothing heavy."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gatelab.keys import LauncherKeys
from gatelab.keys.structured import config_of

if TYPE_CHECKING:
    from gatelab.configuration.quick import QuickComposition
    from gatelab.sweeps import Failure


StackedLauncherConfig = config_of(
    LauncherKeys, _target_="hydra_plugins.gatelab_stacked_launcher.stacked_launcher.StackedLauncher"
)
"""The options of the launcher for Hydra; their definitions are in gatelab.keys.launcher."""

ConfigStore.instance().store(group="hydra/launcher", name="stacked", node=StackedLauncherConfig, provider="gatelab")


class StackedLauncher(Launcher):
    """Composes every point of a sweep, and hands them all at once to gatelab."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.most = 0
        self.tables = True
        """Whether to print the tables of each launch; a search, which launches many times, turns it off."""
        self.composition: QuickComposition | None = None
        """Composes the points."""
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what composing the points needs. The task function trains a single run; here the points go together.

        Raises:
            UserError: the sweep has more points than it may, or none; found before any of them is written out.
        """
        from gatelab.configuration.quick import QuickComposition
        from gatelab.sweeps.training_call import begin_sweep
        from hydra_plugins.gatelab_stacked_launcher._size import check_sweep, most_points
        from hydra_plugins.gatelab_stacked_launcher._unchecked import UncheckedPoints

        count = check_sweep(config, hydra_context.config_loader)
        self.most = most_points(config)
        self.composition = QuickComposition(hydra_context.config_loader, config)
        # the sweeper has the same context
        hydra_context.config_loader = UncheckedPoints(hydra_context.config_loader)  # type: ignore[assignment]
        self.config = config
        begin_sweep(Path(config.hydra.sweep.dir), str(config.runs_dir), count)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose and check every point, train what the store lacks, print the tables.

        Returns:
            for each point its validation score, for sweepers that search; a run that has failed is a failed job.
        """
        from gatelab.configuration import Points, added_folders, translated
        from gatelab.configuration.sweep_size import check_count
        from gatelab.sweeps.training_call import named_point, prepared, train_points
        from gatelab.uncollected import uncollected

        assert self.config is not None and self.composition is not None
        advice = "raise hydra.launcher.most_points for a sweeper that asks for more"
        check_count(initial_job_idx + len(job_overrides), self.most, advice)
        names = _Names(job_overrides)
        sweep = Path(self.config.hydra.sweep.dir).name
        points = Points()
        with uncollected():
            for position, overrides in prepared(job_overrides, "composed"):
                if not self.composition.append_again(points, overrides):
                    with named_point(position, names), translated(overrides):
                        self.composition.append(points, overrides)
        directories = added_folders().directories
        outcomes = train_points(points, sweep, directories, names, plain_options(self.options), tables=self.tables)
        return [_ended(overrides, outcome) for overrides, outcome in zip(job_overrides, outcomes, strict=True)]


class _Names(Sequence[str]):
    """What tells each point of a sweep from the others, in errors: written out when one is named.

    Args:
        points: the overrides of each.
    """

    def __init__(self, points: Sequence[Sequence[str]]) -> None:
        self._points = points

    @cached_property
    def _shared(self) -> set[str]:
        return set.intersection(*map(set, self._points))

    def __len__(self) -> int:
        return len(self._points)

    @overload
    def __getitem__(self, position: int) -> str: ...
    @overload
    def __getitem__(self, position: slice) -> list[str]: ...
    def __getitem__(self, position: int | slice) -> str | list[str]:
        if isinstance(position, slice):
            return [self[one] for one in range(*position.indices(len(self)))]
        return " ".join(word for word in self._points[position] if word not in self._shared) or "the same"


def plain_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the launcher's options as plain values."""
    return {
        name: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        for name, value in options.items()
    }


def _ended(overrides: Sequence[str], outcome: "float | Failure") -> JobReturn:
    if isinstance(outcome, float):
        job = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
        job.return_value = outcome
        return job
    failed = _FailedJob(overrides=list(overrides), status=JobStatus.FAILED)
    failed.reason = outcome.reason
    return failed


class _FailedJob(JobReturn):
    """Raises what it is asked for, as Hydra's own does, but has nothing to print: the reason stands in the table."""

    reason = ""

    @property
    def return_value(self) -> Any:
        from gatelab.sweeps.listener import RunError

        raise RunError(self.reason)

    @return_value.setter
    def return_value(self, value: Any) -> None:
        raise AttributeError("a job that has failed returns nothing")
