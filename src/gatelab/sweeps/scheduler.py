"""Runs the stacks of a sweep: submits and watches them, splits those that fail, and stops them on request."""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gatelab.configuration import RunConfiguration
from gatelab.errors import UserError
from gatelab.locations import command_line
from gatelab.store import Failure, Stop, Store, write_failure
from gatelab.sweeps.executors import Executor, Handle
from gatelab.sweeps.job import Job, JobReport
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.plan import stacks
from gatelab.sweeps.sweep_progress import SweepState, View

__all__ = ["Scheduler"]

_LOOK = 0.25  # seconds between two checks of the clock, the store and the signals
_STOPPING = 4.5  # seconds for all stacks to write their checkpoints
_STARTING = 300.0  # seconds for a process to import what it needs
_MOST_STOPS = 3  # how often a stack that was stopped from outside (by a cluster) is resumed


@dataclass
class _Piece:
    """A stack, or a part of one that failed."""

    runs: list[RunConfiguration]
    number: int
    attempts: int = 0  # how often these runs were tried before, in any stack
    alone: int = 0  # how often a single run has failed
    stops: int = 0


class Scheduler:
    """Trains stacks to their end.

    Args:
        planned: the stacks of the plan.
        executor: trains them.
        options: limits and retries.
        sweep: the name under which loggers group the runs.
        view: the display on the terminal.
        stop: whether the sweep should stop.
        before: how many runs of the sweep were finished before.

    Attributes:
        failures: identity -> why a run could not be trained.
    """

    def __init__(
        self,
        planned: Sequence[list[RunConfiguration]],
        executor: Executor,
        options: ExecutorOptions,
        sweep: str | None,
        view: View,
        stop: Stop,
        before: int = 0,
    ) -> None:
        self.failures: dict[str, Failure] = {}
        self._executor = executor
        self._options = options
        self._sweep = sweep
        self._view = view
        self._asked_to_stop = stop
        executor.asked = lambda: stop.signum is not None
        self._waiting = deque(_Piece(list(stack), number) for number, stack in enumerate(planned, start=1))
        self._stacks = len(planned)
        self._running: dict[Handle, _Piece] = {}
        self._elsewhere: dict[str, RunConfiguration] = {}
        runs = [run for stack in planned for run in stack]
        self._before, self._runs = before, before + len(runs)
        self._left = {run.identity: run.training.max_steps for run in runs}  # of runs that have not ended
        self._all_steps = sum(self._left.values())

    def run(self) -> None:
        """Return when every run has a result or a failure, or when a signal has stopped the sweep."""
        self._find()
        while self._waiting or self._running or self._elsewhere:
            if self._asked_to_stop.signum is not None:
                self._stop()
                return
            if room := min(len(self._waiting), max(0, self._executor.slots - len(self._running))):
                self._submit([self._waiting.popleft() for _ in range(room)])
            self._show()
            for handle in self._executor.wait(_LOOK):
                self._settle(handle, self._running.pop(handle))
            self._give_up_what_takes_too_long()
            if line := self._executor.news():
                self._view.say(line)
            if self._elsewhere and len(self._running) < self._executor.slots:
                self._look_elsewhere()
            self._show()
        self._show(last=True)

    def hand_in(self) -> str:
        """Hand every stack to the cluster and leave it there; return what was done, in a line."""
        self._find()
        found = len(self._running)
        new = list(self._waiting)
        self._waiting.clear()
        if new:
            self._submit(new)
        standing = self._executor.detach()
        stacks = f"{len(new)} stack{'s' if len(new) != 1 else ''} handed in"
        there = f", {found} were there" if found else ""
        return f"{stacks}{there}. {standing}. The same command without hydra.launcher.detach=true waits for them"

    def _find(self) -> None:
        """Go on with the jobs that an earlier launcher has handed in for these runs."""
        waiting = {run.identity: run for piece in self._waiting for run in piece.runs}
        several = len(waiting)
        for handle in self._executor.find(waiting):
            runs = [waiting.pop(identity) for identity in handle.job.identities if identity in waiting]
            self._running[handle] = _Piece(runs, len(self._running) + 1)
            self._view.begin(handle, runs[0].training.max_steps)
        if line := self._executor.news():
            self._view.say(line, important=True)
        if not self._running:
            return
        left = [_Piece([run for run in piece.runs if run.identity in waiting], piece.number) for piece in self._waiting]
        self._waiting = deque(piece for piece in left if piece.runs)
        jobs = f"{len(self._running)} job{'s' if len(self._running) > 1 else ''}"
        self._view.say(f"{several - len(waiting)} of {several} runs are in {jobs} that were handed in before")

    def _show(self, *, last: bool = False) -> None:
        self._view.show(self._running)
        if not (self._executor.within and self._stacks == 1):  # a stack in this process prints its own line
            self._view.count(self._standing(), last=last)

    def _standing(self) -> SweepState:
        taken = sum(handle.step * len(piece.runs) for handle, piece in self._running.items())
        steps = self._all_steps - sum(self._left.values()) + taken
        ended = self._runs - self._before - len(self._left) - len(self.failures)
        return SweepState(
            self._runs, self._before + ended, len(self.failures), len(self._running), steps, self._all_steps
        )

    def _submit(self, pieces: Sequence[_Piece]) -> None:
        jobs = [Job.of(piece.runs, self._title(piece), self._sweep) for piece in pieces]
        for handle, piece in zip(self._executor.submit_all(jobs), pieces, strict=True):
            self._running[handle] = piece
            self._view.begin(handle, piece.runs[0].training.max_steps)

    def _title(self, piece: _Piece) -> str:
        first, several = piece.runs[0], len(piece.runs)
        place = f"[{piece.number}/{self._stacks}] " if self._stacks > 1 else ""
        return f"{place}{first.label} on {first.task.name}" + (f" × {several} runs" if several > 1 else "")

    def _settle(self, handle: Handle, piece: _Piece) -> None:
        report = handle.report
        assert report is not None
        self._view.end(handle)
        elsewhere = [run for run in piece.runs if run.identity in report.taken]
        self._elsewhere.update({run.identity: run for run in elsewhere})
        if report.kind == "done":
            self._have_ended(run for run in piece.runs if run.identity not in self._elsewhere)
        if elsewhere:
            self._view.say(f"{handle.job.title}: {_held(elsewhere)}", important=True)
        if report.kind == "stopped" and self._executor.within:
            if self._asked_to_stop.signum is None:
                self._asked_to_stop.request(report.signum)
        elif report.kind == "stopped" and piece.stops < _MOST_STOPS:
            self._again(piece, _missing(piece.runs), stops=piece.stops + 1)
        elif report.kind != "done":
            self._divide(piece, _missing(piece.runs), handle.job.title, report)

    def _divide(self, piece: _Piece, missing: list[RunConfiguration], title: str, report: JobReport) -> None:
        """Retry a failed stack in two halves, and a run that failed alone as often as ``retries`` allows."""
        self._have_ended(run for run in piece.runs if run not in missing)
        attempts = piece.attempts + 1
        reason = report.reason or "stopped again and again"
        if report.helps == "nothing":
            for run in missing:
                self._fail(run, title, report, reason, attempts)
        elif len(missing) > 1:
            self._view.say(f"{title} failed: {reason}; tried again in two halves", important=True)
            half = -(-len(missing) // 2)
            # the second half first, because each is put in front
            for part in (missing[half:], missing[:half]):
                self._waiting.appendleft(_Piece(part, piece.number, attempts))
        elif missing and len(piece.runs) > 1:
            # the other runs of its stack had ended: it has not failed alone yet
            self._again(piece, missing)
        elif missing and piece.alone < self._options.retries and report.helps == "again":
            self._view.say(f"{title} failed: {reason}; tried again", important=True)
            self._again(piece, missing, alone=piece.alone + 1)
        elif missing:
            self._fail(missing[0], title, report, reason, attempts)

    def _fail(self, run: RunConfiguration, title: str, report: JobReport, reason: str, attempts: int) -> None:
        self._view.say(f"{title} seed {run.seed} failed: {reason}", important=True)
        self.failures[run.identity] = _record(run, reason, report.detail, attempts)
        self._have_ended([run])

    def _have_ended(self, runs: Iterable[RunConfiguration]) -> None:
        for run in runs:
            self._left.pop(run.identity, None)

    def _again(self, piece: _Piece, missing: list[RunConfiguration], *, alone: int = 0, stops: int = 0) -> None:
        if missing:
            self._waiting.append(_Piece(missing, piece.number, piece.attempts + 1, alone, stops))

    def _give_up_what_takes_too_long(self) -> None:
        now, limit, silence = time.monotonic(), self._options.limit_minutes, self._options.silent_minutes
        for handle in self._running:
            if handle.given_up is not None:
                continue
            if handle.begun is None:
                if handle.watched and now - handle.heard > _STARTING:
                    self._executor.cancel(handle, f"its process did not start within {_STARTING / 60:g} minutes")
            elif limit is not None and now - handle.begun > 60 * limit:
                self._executor.cancel(handle, f"not at its end after {limit:g} minutes (hydra.launcher.limit_minutes)")
            elif silence is not None and handle.watched and now - handle.heard > 60 * silence:
                self._executor.cancel(handle, f"no step for {silence:g} minutes (hydra.launcher.silent_minutes)")

    def _look_elsewhere(self) -> None:
        """Check the runs of other processes; train here those that they abandoned."""
        # in this order: a run without an owner and then without a result was abandoned
        free = [run for run in self._elsewhere.values() if Store(run.runs_dir).owner(run.identity) is None]
        for run in free:
            del self._elsewhere[run.identity]
        left = _missing(free)
        self._have_ended(run for run in free if run not in left)
        if left:
            self._view.say(f"{_count(left)} left by another process; going on with {'them' if len(left) > 1 else 'it'}")
            for stack in stacks(left, min(self._executor.parts, self._executor.slots - len(self._running))):
                self._stacks += 1
                self._waiting.append(_Piece(stack, self._stacks))

    def _stop(self) -> None:
        """Let every stack write its checkpoint; one that takes too long keeps its previous checkpoint."""
        self._executor.stop()
        until = time.monotonic() + _STOPPING
        while self._running and time.monotonic() < until:
            for handle in self._executor.wait(_LOOK):
                del self._running[handle]
                self._view.end(handle)
        self._executor.close()


def _record(run: RunConfiguration, reason: str, detail: str, attempts: int) -> Failure:
    """Write failed.json of a run; ignore errors, because the disk may be the reason of the failure."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    failure = Failure(run.identity, run.label, run.task.name, run.seed, reason, detail, attempts, now)
    with suppress(OSError, UserError):  # a folder without a begun run may still hold the reason
        Store(run.runs_dir).record(run.identity, run.mapping())
    with suppress(OSError):
        write_failure(Path(run.runs_dir) / run.identity, failure)
    return failure


def _missing(runs: Sequence[RunConfiguration]) -> list[RunConfiguration]:
    return [run for run in runs if _is_missing(run)]


def _is_missing(run: RunConfiguration) -> bool:
    return Store(run.runs_dir).finished(run.identity) is None


def _held(runs: Sequence[RunConfiguration]) -> str:
    """Report the owners of some runs, the command that frees the first, and when those elsewhere are replaced."""
    owners = [owner for owner in (Store(run.runs_dir).owner(run.identity) for run in runs) if owner is not None]
    named = " and ".join(dict.fromkeys(map(str, owners))) or "another process"
    freeing = command_line("store", f"runs={runs[0].runs_dir}", f"free={runs[0].identity}")
    away = " or ".join(dict.fromkeys(owner.host for owner in owners if not owner.here()))
    watched = f", taken over if {away} gives no sign of life for a minute" if away else ""
    return f"{_count(runs)} being trained by {named} (`{freeing}` frees a run that is not); waiting{watched}"


def _count(runs: Sequence[RunConfiguration]) -> str:
    return f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
