"""One fit of runs at the same step, from there to their results."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from gatelab.configuration import RunConfiguration
from gatelab.paths.choice import Choice
from gatelab.store import ClaimLost, Performance, Record, Result, Stop, Stopped, crash_point, provenance, settings
from gatelab.training.checkpoint import RunState, read_state, restore, state_bytes
from gatelab.training.loggers.loggers import TIMEOUT, RunLoggers, close_loggers, finish_loggers, open_loggers
from gatelab.training.rank_processes import others_beside
from gatelab.training.recording import Recording
from gatelab.training.resuming import begin, replay
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackBatch, StackData
from gatelab.training.stack_module import StackModule
from gatelab.training.trainers import fit, measure_test
from gatelab.training.watcher import Watcher

__all__ = ["Member", "StackFit"]

HURRY = 2.0  # seconds that loggers may take to end when training is stopped


@dataclass(frozen=True)
class Member:
    """One run of a stack.

    Attributes:
        configuration, record: of the run.
        state: its checkpoint; None if it starts from the beginning.
        place: its position in the stack.
        loggers: of its history, once one is open.
    """

    configuration: RunConfiguration
    record: Record
    state: RunState | None
    place: int
    loggers: RunLoggers | None = None


@dataclass(frozen=True)
class _Stack:
    """Data shared by the parts of a stack.

    Attributes:
        runs: how many at the start.
        resumed_at: the step from which each was resumed; None if it started from the beginning.
        loops: what took the steps of its fits, as ``StackModule.loop`` says.
    """

    runs: int
    resumed_at: list[int | None]
    loops: list[str] = field(default_factory=list)


class StackFit:
    """One fit of runs at the same step.

    When half of the runs have ended (their patience has run out, or they diverged), these are measured and finished,
    and the others continue as a smaller stack.

    Args:
        members: the runs.
        device: where they are trained.
        choice: the path of their recurrence.
        whole: the stack of which they are a part; None if they are all of it.
        before: seconds that the stack took when it was larger.
    """

    def __init__(
        self,
        members: Sequence[Member],
        device: str,
        choice: Choice,
        whole: _Stack | None = None,
        before: float = 0.0,
    ) -> None:
        self.members, self.device, self.choice, self.before = list(members), device, choice, before
        self.configurations = [member.configuration for member in members]
        self.records = [member.record for member in members]
        resumed_at = [None if member.state is None else member.state.progress.steps for member in members]
        self.whole = whole or _Stack(len(members), resumed_at)
        template = network(self.configurations[0])
        self.data = StackData(self.configurations, template)
        weights = initial_weights(self.configurations, template)
        self.module = StackModule(self.configurations, template, weights).to(device)
        restore(self.module, [member.state for member in members])

    def run(self, probe: StackBatch, sweep: str | None, display: Watcher | None, stop: Stop) -> None:
        """Train, measure and finish the runs."""
        for run, member in enumerate(self.members):
            with self._unless_lost(run):
                begin(member.record, member.state)
        loggers: list[RunLoggers] = []
        seconds = TIMEOUT
        try:
            loggers = open_loggers(self.configurations, [record.folder for record in self.records], sweep)
            for one, record in zip(loggers, self.records, strict=True):
                replay(one, record.history())
            self.members = [replace(member, loggers=one) for member, one in zip(self.members, loggers, strict=True)]
            self._train_together(probe, display, stop)
        except (Stopped, KeyboardInterrupt):
            seconds = HURRY
            raise
        finally:
            close_loggers(loggers, seconds)

    @property
    def loggers(self) -> list[RunLoggers]:
        """Of the runs, in order."""
        return [member.loggers for member in self.members if member.loggers is not None]

    def _train_together(self, probe: StackBatch, display: Watcher | None, stop: Stop) -> None:
        """Train the runs; one with ``training.devices`` together with the processes that it starts for them."""
        begun = self.members[0].state is not None and self.configurations[0].training.devices > 1
        state = state_bytes(self.module, 0, 0.0, self.records[0].mark()) if begun else b""
        with others_beside(self.configurations[0], self.device, state) as rank:
            self.module.rank = self.data.rank = rank
            self._train(probe, display, stop)

    def _train(self, probe: StackBatch, display: Watcher | None, stop: Stop) -> None:
        earlier = [0.0 if member.state is None else member.state.seconds for member in self.members]
        recording = Recording(self.records, self.loggers, probe, earlier)
        watchers: list[Watcher] = [recording, *([] if display is None else [display])]
        try:
            fit(self.module, self.data, watchers, stop, self.device)
        except Stopped as stopped:
            recording.checkpoint(self.module)
            raise Stopped(self._stopped(), stopped.signum) from None
        self.whole.loops.append(self.module.loop)
        elapsed = recording.elapsed()
        recording.end(self.module)
        seconds = [recording.seconds(run, elapsed) for run in range(len(self.records))]
        total = self.before + elapsed
        going_on = [run for run in range(len(self.members)) if self._goes_on(run)]
        if not going_on:
            self._finish(seconds, total, stop)
            return
        ended = [run for run, progress in enumerate(self.module.progress) if not progress.active and not progress.lost]
        rest = self._part(going_on, seconds, total)
        if ended:
            self._part(ended, seconds, total)._finish([seconds[run] for run in ended], total, stop)
        rest._train(probe, display, stop)

    def _goes_on(self, run: int) -> bool:
        return self.module.progress[run].active and self.module.taken < self.configurations[run].training.max_steps

    def _part(self, runs: Sequence[int], seconds: Sequence[float], before: float) -> "StackFit":
        """Return a fit of some of the runs, from their current states."""
        shapes = {name: tuple(weight.shape[1:]) for name, weight in self.module.weights().items()}
        members = [
            replace(
                self.members[run],
                state=read_state(state_bytes(self.module, run, seconds[run], self.records[run].mark()), shapes),
            )
            for run in runs
        ]
        return StackFit(members, self.device, self.choice, self.whole, before)

    def _stopped(self) -> str:
        runs, last = len(self.configurations), self.configurations[0].training.max_steps
        which = f"{runs} runs" if runs > 1 else "the run"
        return f"stopped {which} after step {self.module.taken} of {last}; the same command goes on from there"

    def _finish(self, seconds: Sequence[float], total: float, stop: Stop) -> None:
        """Measure the runs on test and write their results."""
        results = self._results(seconds, stop)
        shared = {"device": self.device, "stack_runs": self.whole.runs, "seconds_of_stack": total}
        if self.module.rank.of > 1:
            shared["devices"] = self.module.rank.of
        origin = {**provenance(), **shared, "training_loop": "; ".join(dict.fromkeys(self.whole.loops))}
        for run, (member, result) in enumerate(zip(self.members, results, strict=True)):
            if self.module.progress[run].lost:
                continue
            path = {"path": result.path, "path_reason": result.path_reason}
            place = {"stack_position": member.place, "resumed_at": self.whole.resumed_at[member.place]}
            with self._unless_lost(run):
                member.record.write_provenance({**origin, **path, **place})
                member.record.finish(result)
        # afterwards: the runs are finished even if loggers fail
        kept = [run for run, progress in enumerate(self.module.progress) if not progress.lost]
        finish_loggers([self.loggers[run] for run in kept], [results[run] for run in kept])

    def _results(self, seconds: Sequence[float], stop: Stop) -> list[Result]:
        """Open the test split once, at the best checkpoint of each run."""
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

    @contextmanager
    def _unless_lost(self, run: int) -> Iterator[None]:
        try:
            yield
        except ClaimLost as lost:
            self.module.lose(run, lost)
