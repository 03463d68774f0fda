"""Trains one stack from its configurations to its results."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from pytorch_lightning import Callback

from gatelab.configuration import RunConfiguration
from gatelab.errors import UserError
from gatelab.recurrence import Choice
from gatelab.runs import (
    LEASE,
    ClaimLost,
    Claims,
    Performance,
    Record,
    Result,
    Stop,
    Stopped,
    Store,
    crash_point,
    provenance,
    settings,
)
from gatelab.training.checkpoint import restore
from gatelab.training.data import StackBatch, StackData
from gatelab.training.lightning import fit, measure_test
from gatelab.training.mirrors import PATIENCE, Mirror, check_loggers, close_mirrors, finish_mirrors, open_mirrors
from gatelab.training.module import StackModule
from gatelab.training.recording import Recording
from gatelab.training.resuming import Group, begin, groups, replay, states
from gatelab.training.stack import initial_weights, network
from gatelab.training.terminal import TerminalProgress

__all__ = ["train_stack"]

HURRY = 2.0  # seconds that mirrors may take to end where training is stopped


def train_stack(
    configurations: Sequence[RunConfiguration],
    sweep: str | None = None,
    title: str = "",
    *,
    stop: Stop | None = None,
    lease: float = LEASE,
    display: Callback | None = None,
) -> list[Result]:
    """Train runs of equal shapes together and write each into its own folder.

    A run that was stopped or killed goes on from its checkpoint, and ends with the same bits as one that was not. Runs
    that stand at different steps are trained one group after the other.

    Each run is claimed first. One that another process trains, or takes over, is left to it.

    Args:
        configurations: runs that agree in everything but the stackable keys.
        sweep: the name under which loggers group the runs.
        title: what the terminal calls the stack.
        stop: asked between any two steps. SIGINT and SIGTERM ask it while this function runs in the main thread.
        lease: seconds after which a claim that this process does not renew may be taken over.
        display: told of the steps in place of the terminal.

    Returns:
        The result of each run, in order; without those that another process has.

    Raises:
        UserError: data that cannot be read, a device, a path or a logger that is not there; before any folder is made.
        Stopped: asked to stop; every run has a checkpoint, or is finished.
    """
    stop = stop or Stop()
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
    shapes = {name: tuple(parameter.shape) for name, parameter in template.named_parameters()}
    with stop.on_signals(), Claims(store, lease=lease) as claims:
        owned, records = [], []
        for configuration in configurations:
            claim = claims.take(configuration.identity)
            if claim is not None:
                owned.append(configuration)
                records.append(store.record(configuration.identity, configuration.mapping(), claim))
        for group in groups([states(record, shapes) for record in records]):
            stop.check()
            fitted = _Fit(
                [owned[run] for run in group.members], [records[run] for run in group.members], group, device, choice
            )
            fitted.run(probe, sweep, display or _terminal(first, title), stop)
            for configuration in fitted.configurations:
                claims.release(configuration.identity)
        stop.check()
    found = (store.finished(configuration.identity) for configuration in configurations)
    return [result for result in found if result is not None]


def _device(configuration: RunConfiguration) -> str:
    if configuration.device == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: no CUDA device is available; allowed here: auto, cpu")
    if configuration.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return configuration.device


def _terminal(configuration: RunConfiguration, title: str) -> Callback | None:
    return TerminalProgress(title) if configuration.progress else None


class _Fit:
    """One fit of runs that stand at the same step."""

    def __init__(
        self,
        configurations: list[RunConfiguration],
        records: list[Record],
        group: Group,
        device: str,
        choice: Choice,
    ) -> None:
        self.configurations, self.records, self.group = configurations, records, group
        self.device, self.choice = device, choice
        self.resumed_at = [None if state is None else state.progress.steps for state in group.states]
        template = network(configurations[0])
        self.data = StackData(configurations, template)
        self.module = StackModule(configurations, template, initial_weights(configurations, template)).to(device)

    def run(self, probe: StackBatch, sweep: str | None, display: Callback | None, stop: Stop) -> None:
        """Train, measure and finish the runs."""
        restore(self.module, self.group.states)
        for run, (record, state) in enumerate(zip(self.records, self.group.states, strict=True)):
            with self._unless_lost(run):
                begin(record, state)
        mirrors: list[Mirror] = []
        patience = PATIENCE
        try:
            mirrors = open_mirrors(self.configurations, [record.folder for record in self.records], sweep)
            for mirror, record in zip(mirrors, self.records, strict=True):
                replay(mirror, record.history())
            self._train(mirrors, probe, display, stop)
        except (Stopped, KeyboardInterrupt):
            patience = HURRY
            raise
        finally:
            close_mirrors(mirrors, patience)

    def _train(self, mirrors: list[Mirror], probe: StackBatch, display: Callback | None, stop: Stop) -> None:
        earlier = [0.0 if state is None else state.seconds for state in self.group.states]
        recording = Recording(self.records, mirrors, probe, earlier)
        callbacks: list[Callback] = [recording, *([] if display is None else [display])]
        try:
            fit(self.module, self.data, callbacks, stop, self.device)
        except Stopped as stopped:
            recording.checkpoint(self.module)
            raise Stopped(self._stopped(), stopped.signum) from None
        elapsed = recording.elapsed()
        recording.end(self.module)
        results = self._results([recording.seconds(run, elapsed) for run in range(len(self.records))], stop)
        self._finish(results, elapsed)
        # afterwards: whatever becomes of the mirrors, the runs are finished
        kept = [run for run, progress in enumerate(self.module.progress) if not progress.lost]
        finish_mirrors([mirrors[run] for run in kept], [results[run] for run in kept])

    def _stopped(self) -> str:
        runs, last = len(self.configurations), self.configurations[0].training.max_steps
        which = f"{runs} runs" if runs > 1 else "the run"
        return f"stopped {which} after step {self.module.taken} of {last}; the same command goes on from there"

    def _results(self, seconds: Sequence[float], stop: Stop) -> list[Result]:
        """Open the test split once, at the checkpoint that validation chose for each run."""
        module, task = self.module, self.module.task
        module.load_best()
        never = (float("nan"), float("nan"))
        measured = [never] * len(self.records)
        if any(progress.best_step is not None for progress in module.progress):
            crash_point("before test")
            measure_test(module, self.data, stop, self.device)
            measured = module.measured
        return [
            Result(
                identity=configuration.identity,
                label=configuration.label,
                variant=configuration.variant.name,
                task=task.name,
                seed=configuration.seed,
                status="finished" if progress.diverged_at is None else "diverged",
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
                seconds=taken,
                path=self.choice.path,
                path_reason=self.choice.reason,
                settings=settings(configuration.mapping()),
            )
            for configuration, progress, tested, taken in zip(
                self.configurations, module.progress, measured, seconds, strict=True
            )
        ]

    def _finish(self, results: Sequence[Result], seconds: float) -> None:
        shared = {"device": self.device, "stack_runs": len(self.records), "seconds_of_stack": seconds}
        origin = {**provenance(), **shared}
        for run, (record, result) in enumerate(zip(self.records, results, strict=True)):
            if self.module.progress[run].lost:
                continue
            path = {"path": result.path, "path_reason": result.path_reason}
            place = {"stack_position": run, "resumed_at": self.resumed_at[run]}
            with self._unless_lost(run):
                record.write_provenance({**origin, **path, **place})
                record.finish(result)

    @contextmanager
    def _unless_lost(self, run: int) -> Iterator[None]:
        try:
            yield
        except ClaimLost as lost:
            self.module.lose(run, lost)
