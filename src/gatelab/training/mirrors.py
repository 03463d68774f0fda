"""Mirrors of the history through Lightning's own loggers; one logger for each run, also inside a stack."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger

from gatelab.configuration import RunConfiguration
from gatelab.errors import UserError
from gatelab.probes import GateHistogram
from gatelab.runs import Result

__all__ = ["Mirror", "mirror_comparison"]


class Mirror:
    """All loggers of one run.

    Args:
        configuration: of the run; says which loggers.
        folder: of the run, for those that write files.
        sweep: the name that groups the runs of a sweep; None for a run of its own.
    """

    def __init__(self, configuration: RunConfiguration, folder: Path, sweep: str | None) -> None:
        self.configuration = configuration
        self.loggers: list[Logger] = []
        name = f"{configuration.label} seed {configuration.seed}"
        wanted = configuration.logger
        if wanted.wandb is not None:
            self.loggers.append(_wandb(configuration, name, sweep))
        if wanted.csv is not None:
            self.loggers.append(CSVLogger(folder, name="", version="csv"))
        if wanted.tensorboard is not None:
            self.loggers.append(_tensorboard(folder))
        if wanted.mlflow is not None:
            self.loggers.append(_mlflow(configuration, name))
        for logger in self.loggers:
            if wanted.wandb is None or logger is not self.loggers[0]:
                logger.log_hyperparams(configuration.mapping())

    def log(self, step: int, numbers: Mapping[str, float], gates: Sequence[GateHistogram] = ()) -> None:
        """Log numbers after a step, and how open the gates are: histograms to Weights & Biases, shares to all."""
        shares = {f"gates/{gate.name}/{share}": value for gate in gates for share, value in gate.shares().items()}
        for logger in self.loggers:
            # finite numbers only: some back ends refuse the others, and the history in runs/ has them
            logger.log_metrics({**numbers, **shares}, step=step)
            if _is_wandb(logger):
                import wandb

                histograms = {
                    f"gates/{gate.name}/histogram": wandb.Histogram(np_histogram=(gate.counts, gate.edges)) for gate in gates
                }
                if histograms:
                    logger.experiment.log({**histograms, "trainer/global_step": step})

    def finish(self, result: Result) -> None:
        """Log the result and close every logger."""
        numbers = {
            "best_step": result.best_step,
            "validation/best_loss": result.validation.loss,
            "validation/best_score": result.validation.score,
            "test/loss": result.test.loss,
            "test/score": result.test.score,
            "parameters": result.parameters,
            "seconds": result.seconds,
        }
        for logger in self.loggers:
            if _is_wandb(logger):
                logger.experiment.summary.update({**numbers, "status": result.status, "path": result.path})
            else:
                finite = {name: value for name, value in numbers.items() if value is not None and value == value}
                logger.log_metrics(finite, step=result.steps)
            logger.finalize("success" if result.status == "finished" else "failed")
        self.close()

    def close(self) -> None:
        """End what must be ended, whatever happened: a W&B run left open would swallow the next one's history."""
        for logger in self.loggers:
            if _is_wandb(logger):
                logger.experiment.finish(exit_code=0)
        self.loggers = []


def mirror_comparison(
    configuration: RunConfiguration, sweep: str, tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]
) -> None:
    """Log the final tables of a sweep to Weights & Biases, as one more run of its group; nothing if it is not a logger.

    Args:
        configuration: any run of the sweep, for the project.
        sweep: the group.
        tables: name -> (columns, rows).
    """
    if configuration.logger.wandb is None:
        return
    import wandb

    run = _start_wandb(configuration, "comparison", sweep, "comparison")
    run.log({name: wandb.Table(columns=list(columns), data=[list(row) for row in rows]) for name, (columns, rows) in tables.items()})
    run.finish()


def _is_wandb(logger: Logger) -> bool:
    return type(logger).__name__ == "WandbLogger"


def _wandb(configuration: RunConfiguration, name: str, sweep: str | None) -> Logger:
    from pytorch_lightning.loggers import WandbLogger

    run = _start_wandb(configuration, name, sweep, "train")
    with warnings.catch_warnings():
        # Lightning's logger takes the run as it is; that is what is wanted
        warnings.filterwarnings("ignore", ".*wandb run already in progress.*")
        return WandbLogger(experiment=run)


def _start_wandb(configuration: RunConfiguration, name: str, sweep: str | None, job_type: str) -> Any:
    import wandb

    section = configuration.logger.wandb
    assert section is not None
    directory = Path(configuration.runs_dir)
    directory.mkdir(parents=True, exist_ok=True)
    logging.getLogger("wandb").setLevel(logging.ERROR)
    return wandb.init(
        project=section.project,
        entity=section.entity,
        mode=section.mode,
        name=name,
        group=sweep,
        job_type=job_type,
        tags=[configuration.task.name, configuration.variant.name],
        dir=directory,
        config={**configuration.mapping(), "identity": configuration.identity},
        # several runs of a stack are open at once, each with a history of its own
        reinit="create_new",
        settings=wandb.Settings(silent=True, console="off"),
    )


def _tensorboard(folder: Path) -> Logger:
    from pytorch_lightning.loggers import TensorBoardLogger

    try:
        return TensorBoardLogger(folder, name="", version="tensorboard")
    except ModuleNotFoundError:
        raise UserError("logger=tensorboard: needs `pip install tensorboard`; allowed without: wandb, csv, none") from None


def _mlflow(configuration: RunConfiguration, name: str) -> Logger:
    from pytorch_lightning.loggers import MLFlowLogger

    section = configuration.logger.mlflow
    assert section is not None
    address = section.tracking_uri or f"sqlite:///{Path(configuration.runs_dir).resolve()}/mlflow.db"
    try:
        return MLFlowLogger(section.experiment, run_name=name, tracking_uri=address)
    except ModuleNotFoundError:
        raise UserError("logger=mlflow: needs `pip install mlflow`; allowed without: wandb, csv, none") from None
