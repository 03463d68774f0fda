"""Trains one stack from its configurations to its results."""

import logging
import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from pytorch_lightning import Trainer

from gatelab.configuration import RunConfiguration
from gatelab.errors import UserError
from gatelab.recurrence import Choice
from gatelab.runs import Performance, Record, Result, Store, provenance, settings
from gatelab.training.data import StackData
from gatelab.training.mirrors import Mirror, check_loggers, finish_mirrors, open_mirrors
from gatelab.training.module import StackModule
from gatelab.training.recording import Recording, checkpoint_bytes
from gatelab.training.stack import initial_weights, network
from gatelab.training.terminal import TerminalProgress

__all__ = ["train_stack"]


def train_stack(configurations: Sequence[RunConfiguration], sweep: str | None = None, title: str = "") -> list[Result]:
    """Train runs of equal shapes together and write each into its own folder.

    Args:
        configurations: runs that agree in everything but the stackable keys.
        sweep: the name under which loggers group the runs.
        title: what the terminal calls the stack.

    Returns:
        The result of each run, in order.

    Raises:
        UserError: data that cannot be read, a device, a path or a logger that is not there; before any folder is made.
    """
    first = configurations[0]
    device = _device(first)
    check_loggers(first)
    torch.set_num_threads(first.threads)
    template = network(first)
    choice = template.to(device).rnn.choice()
    template.to("cpu")
    data = StackData(configurations, template)
    # what the user can still have wrong (files, batch size) shows here, before anything is written
    data.batch(0)
    probe = next(iter(data.val_dataloader()))
    store = Store(first.runs_dir)
    records = [store.record(c.identity, c.mapping()) for c in configurations]
    for record in records:
        _forget(record)
    mirrors: list[Mirror] = []
    try:
        mirrors = open_mirrors(configurations, [record.folder for record in records], sweep)
        module = StackModule(configurations, template, initial_weights(configurations, template))
        begun = time.monotonic()
        _fit(module, data, Recording(records, mirrors, probe), title, device)
        seconds = time.monotonic() - begun
        _write_last(module, records)
        results = _results(module, data, device, choice, seconds / len(configurations))
        _finish(records, results, device, seconds)
        # afterwards: whatever becomes of the mirrors, the runs are finished
        finish_mirrors(mirrors, results)
    finally:
        for mirror in mirrors:
            mirror.close()
    return results


def _forget(record: Record) -> None:
    """Remove what a run left behind that did not come to its end: it is trained anew."""
    record.truncate_after(-1)
    for name in ("best.pt", "last.pt"):
        record.checkpoint_path(name).unlink(missing_ok=True)


def _device(configuration: RunConfiguration) -> str:
    if configuration.device == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: no CUDA device is available; allowed here: auto, cpu")
    if configuration.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return configuration.device


def _trainer(device: str, **options: Any) -> Trainer:
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,
    )


@contextmanager
def _lightning() -> Iterator[None]:
    """Call Lightning without what it says about data loaders and what torch says about it, and pass Ctrl-C on."""
    handler = signal.getsignal(signal.SIGINT)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*treespec, LeafSpec.*", FutureWarning)
        try:
            yield
        except SystemExit as end:
            if not isinstance(end.__context__, KeyboardInterrupt):
                raise
            # Lightning makes an exit of an interrupt, and the process deaf to the next one
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from None


def _fit(module: StackModule, data: StackData, recording: Recording, title: str, device: str) -> None:
    training = module.configurations[0].training
    callbacks: list[Any] = [recording]
    if module.configurations[0].progress:
        callbacks.append(TerminalProgress(title))
    every = min(training.validate_every, training.max_steps)
    trainer = _trainer(
        device,
        max_steps=training.max_steps,
        val_check_interval=every,
        check_val_every_n_epoch=None,
        callbacks=callbacks,
    )
    with _lightning():
        trainer.fit(module, data)
        if module.validated_at != module.taken:
            # the interval does not divide the steps: a last validation falls on the last step all the same
            trainer.validate(module, data, verbose=False)


def _results(module: StackModule, data: StackData, device: str, choice: Choice, seconds: float) -> list[Result]:
    """Open the test split once, at the checkpoint that validation chose for each run."""
    module.load_best()
    if any(progress.best_step is not None for progress in module.progress):
        with _lightning():
            _trainer(device).test(module, data, verbose=False)
    task = module.task
    results = []
    for configuration, progress, tested in zip(module.configurations, module.progress, module.measured, strict=True):
        never = (float("nan"), float("nan"))
        diverged = progress.diverged_at is not None
        results.append(
            Result(
                identity=configuration.identity,
                label=configuration.label,
                variant=configuration.variant.name,
                task=task.name,
                seed=configuration.seed,
                status="diverged" if diverged else "finished",
                diverged_at=progress.diverged_at,
                best_step=progress.best_step,
                validation=Performance(*progress.best),
                test=Performance(*(tested if progress.best_step is not None else never)),
                score_name=task.score_name,
                higher_is_better=task.higher_is_better,
                chance=task.chance,
                perfect=task.perfect,
                parameters=sum(weight[0].numel() for weight in module.stacked),
                steps=progress.steps,
                seconds=seconds,
                path=choice.path,
                path_reason=choice.reason,
                settings=settings(configuration.mapping()),
            )
        )
    return results


def _write_last(module: StackModule, records: Sequence[Record]) -> None:
    """Write where each run stood when it stopped learning."""
    for run, (record, progress) in enumerate(zip(records, module.progress, strict=True)):
        state = progress.optimizer_state
        last = {
            "weights": module.run_weights(run),
            "optimizer": module.stack_optimizer.run_state(run) if state is None else state,
            "step": progress.steps,
        }
        record.write_checkpoint("last.pt", checkpoint_bytes(last))


def _finish(records: Sequence[Record], results: Sequence[Result], device: str, seconds: float) -> None:
    origin = {**provenance(), "device": device, "stack_runs": len(records), "seconds_of_stack": seconds}
    for position, (record, result) in enumerate(zip(records, results, strict=True)):
        path = {"path": result.path, "path_reason": result.path_reason}
        record.write_provenance({**origin, **path, "stack_position": position})
        record.finish(result)
