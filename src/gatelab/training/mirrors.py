"""Mirrors of the history through Lightning's own loggers; one logger of each kind for each run, also inside a stack.

The history in runs/ is the truth: a mirror that fails, or does not come to its end, costs a line on stderr and no more.
"""

import importlib.util
import logging
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger

from gatelab.configuration import RunConfiguration
from gatelab.errors import UserError
from gatelab.probes import GateHistogram
from gatelab.runs import Result

__all__ = [
    "Mirror",
    "check_loggers",
    "close_mirrors",
    "finish_mirrors",
    "mirror_comparison",
    "open_mirrors",
]

_KINDS = ("wandb", "csv", "tensorboard", "mlflow")
PATIENCE = 30.0  # seconds that a mirror may take to begin or to end
IMPATIENCE = 1.0  # the same, once another of its stack has not come to its end


class Mirror:
    """All loggers of one run.

    Args:
        identity: of the run.
        loggers: kind ("wandb", "csv", …) -> logger.
    """

    def __init__(self, identity: str, loggers: Mapping[str, Any]) -> None:
        self.identity = identity
        self.loggers = dict(loggers)

    def log(self, step: int, numbers: Mapping[str, float], gates: Sequence[GateHistogram] = ()) -> None:
        """Log numbers after a step, and how open the gates are: histograms to Weights & Biases, shares to all."""
        shares = {f"gates/{gate.name}/{share}": value for gate in gates for share, value in gate.shares().items()}
        finite = _finite({**numbers, **shares})

        def log(kind: str, logger: Any) -> None:
            histograms = _wandb_histograms(gates) if kind == "wandb" else {}
            logger.log_metrics({**finite, **histograms}, step=step)

        for kind, logger in tuple(self.loggers.items()):
            if self._attempt(kind, log) is not None:
                with suppress(Exception):  # it has had its line on stderr
                    _within(IMPATIENCE, partial(_end, kind, logger, failed=True))

    def finish(self, result: Result, seconds: float = PATIENCE) -> bool:
        """Log the result and end every logger; return whether all came to their end within so many seconds."""
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

        def end(kind: str, logger: Any) -> None:
            try:
                if kind == "wandb":
                    logger.experiment.summary.update({**numbers, "status": result.status, "path": result.path})
                else:
                    logger.log_metrics(numbers, step=result.steps)
            finally:
                _end(kind, logger, failed=False)

        return self._end_all(end, seconds)

    def close(self, seconds: float = PATIENCE) -> None:
        """End, as failed, what has not been ended: a W&B run left open would live as long as the process."""
        self._end_all(partial(_end, failed=True), seconds)

    def _end_all(self, end: Callable[[str, Any], None], seconds: float) -> bool:
        errors = [self._attempt(kind, end, seconds) for kind in tuple(self.loggers)]
        self.loggers = {}
        return not any(isinstance(error, TimeoutError) for error in errors)

    def _attempt(self, kind: str, action: Callable[[str, Any], None], seconds: float | None = None) -> Exception | None:
        """Do something with a logger; one that fails or takes too long is dropped, and its error returned."""
        try:
            _within(seconds, partial(action, kind, self.loggers[kind]))
        except Exception as error:  # a mirror of any make may raise anything, and none of it may end a run
            del self.loggers[kind]
            _warn(kind, f"run {self.identity}", error)
            return error
        return None


def check_loggers(configuration: RunConfiguration) -> None:
    """Raise a UserError for a logger whose package is not installed."""
    for kind in ("tensorboard", "mlflow"):
        if getattr(configuration.logger, kind) is not None and importlib.util.find_spec(kind) is None:
            raise UserError(f"logger={kind}: needs `pip install {kind}`; allowed without: wandb, csv, none")


def open_mirrors(
    configurations: Sequence[RunConfiguration], folders: Sequence[Path], sweep: str | None
) -> list[Mirror]:
    """Open the loggers of each run of a stack.

    A kind that does not begin for one run, such as a server that is not there, is not tried again for the next.

    Args:
        configurations: of the runs; say which loggers.
        folders: of the runs, for the loggers that write files.
        sweep: the name that groups the runs of a sweep; None for a run of its own.
    """
    kinds = [kind for kind in _KINDS if getattr(configurations[0].logger, kind) is not None]
    mirrors: list[Mirror] = []
    for configuration, folder in zip(configurations, folders, strict=True):
        loggers: dict[str, Any] = {}
        for kind in tuple(kinds):
            try:
                loggers[kind] = _opened(kind, configuration, folder, sweep)
            except Exception as error:  # as in Mirror._attempt
                kinds.remove(kind)
                _warn(kind, f"run {configuration.identity} and of those after it in its stack", error)
        mirrors.append(Mirror(configuration.identity, loggers))
    return mirrors


def finish_mirrors(mirrors: Sequence[Mirror], results: Sequence[Result]) -> None:
    """Finish the mirror of every run; once one has not come to its end, the others are given less time."""
    seconds = PATIENCE
    for mirror, result in zip(mirrors, results, strict=True):
        if not mirror.finish(result, seconds):
            seconds = IMPATIENCE


def close_mirrors(mirrors: Sequence[Mirror], seconds: float) -> None:
    """Close all mirrors at once, so that together they take no longer than so many seconds."""
    threads = [threading.Thread(target=mirror.close, args=(seconds,)) for mirror in mirrors if mirror.loggers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


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
    try:
        import wandb

        run = _start_wandb(configuration, "comparison", sweep, "comparison")
        shown = {
            name: wandb.Table(columns=list(columns), data=[list(row) for row in rows])
            for name, (columns, rows) in tables.items()
        }
        _within(PATIENCE, lambda: run.log(shown))
        _within(PATIENCE, run.finish)
    except Exception as error:  # as in Mirror._attempt
        _warn("wandb", "the comparison", error)


def _opened(kind: str, configuration: RunConfiguration, folder: Path, sweep: str | None) -> Any:
    match kind:
        case "wandb":
            return _wandb(configuration, sweep)
        case "csv":
            logger = _csv(folder)
        case "tensorboard":
            logger = _tensorboard(folder)
        case _:
            logger = _mlflow(configuration)
    logger.log_hyperparams(configuration.mapping())
    return logger


def _wandb(configuration: RunConfiguration, sweep: str | None) -> Any:
    from pytorch_lightning.loggers import WandbLogger

    run = _start_wandb(configuration, _name(configuration), sweep, "train")
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
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
        settings=wandb.Settings(silent=True, console="off", init_timeout=PATIENCE),
    )


def _wandb_histograms(gates: Sequence[GateHistogram]) -> dict[str, Any]:
    import wandb

    return {f"gates/{gate.name}/histogram": wandb.Histogram(np_histogram=(gate.counts, gate.edges)) for gate in gates}


def _csv(folder: Path) -> Any:
    return CSVLogger(_emptied(folder, "csv"), name="", version="csv")


def _tensorboard(folder: Path) -> Any:
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(_emptied(folder, "tensorboard"), name="", version="tensorboard")


def _mlflow(configuration: RunConfiguration) -> Any:
    from pytorch_lightning.loggers import MLFlowLogger

    section = configuration.logger.mlflow
    assert section is not None
    address = section.tracking_uri or f"sqlite:///{Path(configuration.runs_dir).resolve()}/mlflow.db"
    return MLFlowLogger(section.experiment, run_name=_name(configuration), tracking_uri=address)


def _name(configuration: RunConfiguration) -> str:
    return f"{configuration.label} seed {configuration.seed}"


def _emptied(folder: Path, name: str) -> Path:
    """Remove what a logger wrote for a run that was killed and is trained anew."""
    if (folder / name).exists():
        shutil.rmtree(folder / name)
    return folder


def _finite(numbers: Mapping[str, float | None]) -> dict[str, float]:
    """Leave out what some back ends refuse; the history in runs/ has it."""
    return {name: value for name, value in numbers.items() if value is not None and isfinite(value)}


def _end(kind: str, logger: Any, *, failed: bool) -> None:
    logger.finalize("failed" if failed else "success")
    if kind == "wandb":
        logger.experiment.finish(exit_code=int(failed))


def _within(seconds: float | None, action: Callable[[], Any]) -> None:
    """Do something in so many seconds, or raise TimeoutError and leave it behind; None is for ever, and no thread."""
    if seconds is None:
        action()
        return
    raised: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no end after {seconds:g} s")
    if raised:
        raise raised[0]


def _warn(kind: str, whose: str, error: Exception) -> None:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    print(f"warning: the {kind} mirror of {whose} is dropped: {reason}", file=sys.stderr)
