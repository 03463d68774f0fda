"""What each stack of a plan will cost, from a trial of a few steps."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gatelab.configuration import RunConfiguration, shape_key
from gatelab.configuration.matched_width import network_cost
from gatelab.errors import UserError
from gatelab.sweeps.executors import Executor
from gatelab.sweeps.job import Job
from gatelab.sweeps.memory_estimate import steps_of

__all__ = ["Estimate", "StackKind", "estimate", "kinds", "tried", "untried"]

_LONGEST = 300.0  # seconds for the trials of a plan
_FEW = 50  # kinds that are tried in the order of the plan


@dataclass(frozen=True)
class Estimate:
    """What one stack costs on this machine.

    Attributes:
        seconds: wall time from its first step to its last result.
        step_seconds: of one step of all its runs.
        memory: bytes at the peak: of the GPU where it trains on one, else of the whole process.
    """

    seconds: float
    step_seconds: float
    memory: float


@dataclass(frozen=True)
class StackKind:
    """The stacks of a plan that cost the same: of equal shapes and as many runs.

    Attributes:
        runs: of the first of them.
        stacks: how many there are.
    """

    runs: Sequence[RunConfiguration]
    stacks: int


def kinds(stacks: Sequence[Sequence[RunConfiguration]]) -> list[StackKind]:
    """Return the kinds of some stacks, in order of first occurrence."""
    groups: dict[tuple[str, int], list[Sequence[RunConfiguration]]] = {}
    for stack in stacks:
        groups.setdefault((shape_key(stack[0]), len(stack)), []).append(stack)
    return [StackKind(group[0], len(group)) for group in groups.values()]


def estimate(kind: StackKind, executor: Executor, folder: Path) -> Estimate:
    """Return what each stack of a kind costs, from a trial in a folder, which the caller removes.

    Raises:
        UserError: a stack that cannot be trained.
    """
    first = kind.runs[0]
    runs = [replace(run, runs_dir=str(folder)) for run in kind.runs]
    handle = executor.submit(Job.of(runs, f"a trial of {first.label}", None, trial=True))
    while not executor.wait(1.0):
        pass
    assert handle.report is not None
    if handle.report.kind != "done":
        raise UserError(f"{first.label} on {first.task.name}: {handle.report.reason or 'stopped'}")
    return Estimate(**handle.report.numbers)


def tried(kinds: Sequence[StackKind], executor: Executor, folder: Path) -> Iterator[tuple[int, Estimate]]:
    """Yield the cost of each kind once it is measured, for five minutes at most; of many kinds the largest first.

    Raises:
        UserError: as :func:`estimate`.
    """
    places = range(len(kinds))
    if len(kinds) > _FEW:
        places = sorted(places, key=lambda place: _work(kinds[place]), reverse=True)  # type: ignore[assignment]
    until = time.monotonic() + _LONGEST
    for place in places:
        yield place, estimate(kinds[place], executor, folder)
        if time.monotonic() > until:
            return


def untried(kinds: Sequence[StackKind], costs: Mapping[int, Estimate]) -> dict[int, Estimate]:
    """Return the cost of the other kinds, in seconds, in proportion to their size and to the kinds that were tried."""
    known = sum(cost.seconds * kinds[place].stacks for place, cost in costs.items())
    rate = known / max(1, sum(_work(kinds[place]) for place in costs))
    others = [place for place in range(len(kinds)) if place not in costs]
    return {place: Estimate(rate * _work(kinds[place]) / kinds[place].stacks, 0.0, 0.0) for place in others}


def _work(kind: StackKind) -> int:
    """Return the approximate multiply-adds of all stacks of a kind."""
    run = kind.runs[0]
    steps = min(steps_of(run.task), run.training.truncate or 2**40) * run.training.batch_size * run.training.max_steps
    return kind.stacks * len(kind.runs) * steps * network_cost(run.variant, run.task, run.model, "multiply_adds")
