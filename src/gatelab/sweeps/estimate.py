"""What each stack of a plan will cost, from a trial of a few steps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gatelab.configuration import RunConfiguration, shape_key
from gatelab.errors import UserError
from gatelab.sweeps.executors import Executor
from gatelab.sweeps.job import Job

__all__ = ["Estimate", "StackKind", "estimate", "kinds"]


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
    """Return the kinds of some stacks, in the order in which they come first."""
    groups: dict[tuple[str, int], list[Sequence[RunConfiguration]]] = {}
    for stack in stacks:
        groups.setdefault((shape_key(stack[0]), len(stack)), []).append(stack)
    return [StackKind(group[0], len(group)) for group in groups.values()]


def estimate(kind: StackKind, executor: Executor, folder: Path) -> Estimate:
    """Return what each stack of a kind costs, from a trial in a folder, which whoever has made it removes.

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
