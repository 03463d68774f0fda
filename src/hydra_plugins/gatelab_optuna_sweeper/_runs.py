"""The runs of a search with Hydra: composed by its loader, trained by its launcher, read from the store.

(Hydra does not load a plugin's file whose name begins with an underscore.)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from gatelab.configuration import plain, quote_equations, run_configuration, translated
from gatelab.configuration.without_effect import check_swept
from gatelab.errors import UserError, kind_and_words
from gatelab.store import Store
from gatelab.sweeps import ExecutorOptions
from gatelab.sweeps.feasibility import check_feasible
from gatelab.sweeps.listener import RunError
from gatelab.sweeps.search import Outcome, Point, Space
from hydra_plugins.gatelab_stacked_launcher.stacked_launcher import plain_options


class LaunchedRuns:
    """See ``gatelab.sweeps.search.Runs``.

    Args:
        config: of the sweep.
        loader: Hydra's.
        launcher: any of Hydra's; results are read from the store.
        directories: folders beside conf/ that hold variants.
    """

    def __init__(
        self, config: DictConfig, loader: ConfigLoader, launcher: Launcher, directories: Sequence[Path]
    ) -> None:
        self.config = config
        self.loader = loader
        self.launcher = launcher
        if hasattr(launcher, "tables"):
            launcher.tables = False  # the search ends with a summary
        self.directories = directories
        self.launched = 0

    def point(self, words: Sequence[str]) -> Point:
        """Compose and check a run."""
        composed = self._composed(words)
        if composed.get("plan_only"):
            raise UserError("plan_only=true: a search has no plan, it proposes its trials batch by batch")
        if composed.get("describe"):
            raise UserError("describe=true: is for a run or a sweep; a search must be left out")
        run = run_configuration(composed, self.directories)
        task = run.task
        return Point(run.identity, task.name, task.score_name, task.higher_is_better, run.seed, run.runs_dir)

    def check(self, space: Space) -> None:
        """Check every choice and both ends of every interval before a study is opened.

        Raises:
            UserError: an impossible run, or one that this machine cannot train; a parameter without effect.
        """
        points = [self._composed(space.words(values)) for values in space.ends()]
        runs = [run_configuration(point, self.directories) for point in points]
        check_swept(runs, points)
        options = getattr(self.launcher, "options", None)
        if options is not None:
            read = ExecutorOptions.read(plain_options(options))
            if read.detach:
                raise UserError("hydra.launcher.detach=true: a search needs the results of each batch; must be false")
            check_feasible(runs, read)

    def train(self, batch: Sequence[Sequence[str]]) -> list[Outcome]:
        """Pass runs to the launcher and return their outcomes."""
        jobs = self.launcher.launch([list(words) for words in batch], initial_job_idx=self.launched)
        self.launched += len(batch)
        return [self._outcome(words, job) for words, job in zip(batch, jobs, strict=True)]

    def _composed(self, words: Sequence[str]) -> dict[str, Any]:
        with translated(words):
            composition = getattr(self.launcher, "composition", None)
            if composition is not None:
                composed: dict[str, Any] = composition.point(words)
                return composed
            return plain(self.loader.load_sweep_config(self.config, list(words)))

    def _outcome(self, words: Sequence[str], job: JobReturn) -> Outcome:
        run = run_configuration(self._composed(words), self.directories, with_torch=False)
        result = Store(run.runs_dir).finished(run.identity)
        if result is None:
            return Outcome("failed", identity=run.identity, reason=_reason(job))
        return Outcome("diverged" if result.status == "diverged" else "finished", result.validation.score, run.identity)


def parameter_words(params: Mapping[str, Any], above: str = "") -> list[str]:
    """Write ``hydra.sweeper.params`` as overrides; a mapping in it is flattened to dotted keys."""
    words: list[str] = []
    for key, value in params.items():
        if isinstance(value, Mapping):
            words += parameter_words(value, f"{above}{key}.")
        elif value is None or isinstance(value, bool):
            words.append(f"{above}{key}={'null' if value is None else str(value).lower()}")
        else:
            words.append(f"{above}{key}={value}")
    return quote_equations(words)


def _reason(job: JobReturn) -> str:
    """Return in one line why a job has no result."""
    if job.status is JobStatus.FAILED:
        try:
            _ = job.return_value
        except RunError as error:
            return str(error)
        except Exception as error:  # a launcher may return any exception of a job
            return kind_and_words(error)
    return "the launcher left no result in the store"
