"""Lightning's loggers and W&B get the history; one of each kind for each run, also in a stack.

Only the history in runs/ counts: a logger that fails, or does not end, only gives a line on stderr.
"""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from gatelab.configuration import RunConfiguration
from gatelab.errors import kind_and_words
from gatelab.probes.gates import GateHistogram
from gatelab.store import Result
from gatelab.training.loggers.wandb_logger import WandbRun, open_wandb
from gatelab.training.loggers.wandb_process import start_run
from gatelab.training.timeouts import SHORT_TIMEOUT, TIMEOUT, together, within

__all__ = [
    "TIMEOUT",
    "RunLoggers",
    "close_loggers",
    "finish_loggers",
    "log_comparison",
    "open_loggers",
]

_KINDS = ("wandb", "csv", "tensorboard", "mlflow")


class RunLoggers:
    """All loggers of one run.

    Args:
        identity: of the run.
        loggers: kind ("wandb", "csv", …) -> logger.
        hung: kinds that did not end in time; shared by a stack, which then waits for none of that kind.
    """

    def __init__(self, identity: str, loggers: Mapping[str, Any], hung: set[str]) -> None:
        self.identity = identity
        self.loggers = dict(loggers)
        self.hung = hung

    @property
    def takes_histograms(self) -> bool:
        """Whether any of them logs more of a gate than its numbers."""
        return any(isinstance(logger, WandbRun) for logger in self.loggers.values())

    def log(self, step: int, numbers: Mapping[str, float], gates: Sequence[GateHistogram] = ()) -> None:
        """Log numbers after a step, and the gate values: histograms to Weights & Biases, shares to all."""
        shares = {key: share for gate in gates for key, share in gate.keyed().items()}
        finite = _finite({**numbers, **shares})

        def log(logger: Any) -> None:
            if isinstance(logger, WandbRun):
                logger.log(step, finite, gates)
            else:
                logger.log_metrics(finite, step=step)

        for kind, logger in tuple(self.loggers.items()):
            if kind in self.hung:
                del self.loggers[kind]
                _warn(
                    kind, f"run {self.identity}", TimeoutError("the logger of another run of its stack does not answer")
                )
            elif self._attempt(kind, log, logger.section.patience if isinstance(logger, WandbRun) else None):
                with suppress(Exception):  # its line was already printed
                    within(SHORT_TIMEOUT, partial(_close, logger))

    def finish(self, result: Result) -> None:
        """Log the result and end every logger, in bounded time."""
        numbers = _finite(
            {
                "best_step": result.best_step,
                "validation/best_loss": result.validation.loss,
                "validation/best_score": result.validation.score,
                "test/loss": result.test.loss,
                "test/score": result.test.score,
                "parameters": result.parameters,
                "seconds": result.seconds,
            }
        )

        def finish(logger: Any) -> None:
            if isinstance(logger, WandbRun):
                logger.finish(result, numbers)
                return
            try:
                logger.log_metrics(numbers, step=result.steps)
            finally:
                logger.finalize("success")

        for kind, logger in tuple(self.loggers.items()):
            seconds = logger.section.patience if isinstance(logger, WandbRun) else TIMEOUT
            self._attempt(kind, finish, SHORT_TIMEOUT if kind in self.hung else seconds)
        self.loggers = {}

    def close(self, seconds: float = TIMEOUT) -> None:
        """End the remaining loggers as failed: an open W&B run would last as long as the process."""
        for kind in tuple(self.loggers):
            self._attempt(kind, _close, SHORT_TIMEOUT if kind in self.hung else seconds)
        self.loggers = {}

    def _attempt(self, kind: str, action: Callable[[Any], None], seconds: float | None) -> bool:
        """Call a logger; if it fails or takes too long it is dropped. Return whether it was."""
        try:
            within(seconds, partial(action, self.loggers[kind]))
        except Exception as error:  # a logger may raise anything, and must not end a run
            del self.loggers[kind]
            if isinstance(error, TimeoutError):
                self.hung.add(kind)
            _warn(kind, f"run {self.identity}", error)
            return True
        return False


def open_loggers(
    configurations: Sequence[RunConfiguration], folders: Sequence[Path], sweep: str | None
) -> list[RunLoggers]:
    """Open the loggers of each run of a stack.

    A kind that fails to start for one run (a missing server) is not tried again for the next.

    Args:
        configurations: of the runs, with their loggers.
        folders: of the runs, for the loggers that write files.
        sweep: the name that groups the runs of a sweep; None for a single run.
    """
    kinds = [kind for kind in _KINDS if getattr(configurations[0].logger, kind) is not None]
    opened: list[RunLoggers] = []
    hung: set[str] = set()
    for configuration, folder in zip(configurations, folders, strict=True):
        loggers: dict[str, Any] = {}
        for kind in tuple(kinds):
            try:
                loggers[kind] = _opened(kind, configuration, folder, sweep)
            except Exception as error:  # as in RunLoggers._attempt
                kinds.remove(kind)
                _warn(kind, f"run {configuration.identity} and of those after it in its stack", error)
        opened.append(RunLoggers(configuration.identity, loggers, hung))
    return opened


def finish_loggers(loggers: Sequence[RunLoggers], results: Sequence[Result]) -> None:
    """Finish the loggers of all runs at once, so that together they take no longer than one may."""
    together([partial(one.finish, result) for one, result in zip(loggers, results, strict=True)])


def close_loggers(loggers: Sequence[RunLoggers], seconds: float) -> None:
    """Close all loggers at once, so that together they take no longer than so many seconds."""
    together([partial(one.close, seconds) for one in loggers if one.loggers])


def log_comparison(
    configuration: RunConfiguration, sweep: str, tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]
) -> None:
    """Log the final tables of a sweep to Weights & Biases, as another run of its group, if W&B is one of its loggers.

    Args:
        configuration: any run of the sweep, for the project.
        sweep: the group.
        tables: name -> (columns, rows).
    """
    section = configuration.logger.wandb
    if section is None:
        return
    try:
        import wandb

        directory = Path(configuration.runs_dir)
        run = start_run(section, directory, name="comparison", job_type="comparison", group=sweep)
        shown = {
            name: wandb.Table(columns=list(columns), data=[list(row) for row in rows])
            for name, (columns, rows) in tables.items()
        }
        within(section.patience, lambda: run.log(shown))
        within(section.patience, run.finish)
    except Exception as error:  # as in RunLoggers._attempt
        _warn("wandb", "the comparison", error)


def _opened(kind: str, configuration: RunConfiguration, folder: Path, sweep: str | None) -> Any:
    match kind:
        case "wandb":
            return open_wandb(configuration, folder, sweep)
        case "csv":
            logger = _csv(folder)
        case "tensorboard":
            logger = _tensorboard(folder)
        case _:
            logger = _mlflow(configuration)
    logger.log_hyperparams(configuration.mapping())
    return logger


def _csv(folder: Path) -> Any:
    from pytorch_lightning.loggers import CSVLogger

    return CSVLogger(_emptied(folder, "csv"), name="", version="csv")


def _tensorboard(folder: Path) -> Any:
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(_emptied(folder, "tensorboard"), name="", version="tensorboard")


def _mlflow(configuration: RunConfiguration) -> Any:
    from pytorch_lightning.loggers import MLFlowLogger

    section = configuration.logger.mlflow
    assert section is not None
    address = section.tracking_uri or f"sqlite:///{Path(configuration.runs_dir).resolve()}/mlflow.db"
    name = f"{configuration.label} seed {configuration.seed}"
    return MLFlowLogger(section.experiment, run_name=name, tracking_uri=address)


def _emptied(folder: Path, name: str) -> Path:
    """Remove a logger's files of a run that was killed and starts again."""
    if (folder / name).exists():
        shutil.rmtree(folder / name)
    return folder


def _finite(numbers: Mapping[str, float | None]) -> dict[str, float]:
    """Omit numbers that some loggers refuse; the history in runs/ has them."""
    return {name: value for name, value in numbers.items() if value is not None and isfinite(value)}


def _close(logger: Any) -> None:
    if isinstance(logger, WandbRun):
        logger.close()
    else:
        logger.finalize("failed")


def _warn(kind: str, whose: str, error: Exception) -> None:
    # one write, so that lines of several threads stay whole
    sys.stderr.write(f"warning: the {kind} logger of {whose} is dropped: {kind_and_words(error)}\n")
