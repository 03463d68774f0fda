"""What a stack will cost, from a few of its steps in a folder that is thrown away."""

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gatelab.configuration import RunConfiguration, shape_key
from gatelab.errors import UserError
from gatelab.keys import LoggerSection
from gatelab.sweeps.executors import Executor
from gatelab.sweeps.job import Order

__all__ = ["Estimate", "Kind", "estimate", "kinds", "measure"]

_STEPS = (4, 20, 100)  # so many, until they take long enough to be told from noise
_LONG_ENOUGH = 0.3  # seconds


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
class Kind:
    """The stacks of a plan that cost the same: of equal shapes and as many runs.

    Attributes:
        runs: of the first of them.
        stacks: how many there are.
    """

    runs: Sequence[RunConfiguration]
    stacks: int


def kinds(stacks: Sequence[Sequence[RunConfiguration]]) -> list[Kind]:
    """Return the kinds of some stacks, in the order in which they come first."""
    groups: dict[tuple[str, int], list[Sequence[RunConfiguration]]] = {}
    for stack in stacks:
        groups.setdefault((shape_key(stack[0]), len(stack)), []).append(stack)
    return [Kind(group[0], len(group)) for group in groups.values()]


def estimate(kind: Kind, executor: Executor, folder: Path) -> Estimate:
    """Return what each stack of a kind costs, from a trial in a folder, which whoever has made it removes.

    Raises:
        UserError: a stack that cannot be trained.
    """
    first = kind.runs[0]
    runs = [replace(run, runs_dir=str(folder)) for run in kind.runs]
    handle = executor.submit(Order.of(runs, f"a trial of {first.label}", None, trial=True))
    while not executor.wait(1.0):
        pass
    assert handle.report is not None
    if handle.report.kind != "done":
        raise UserError(f"{first.label} on {first.task.name}: {handle.report.reason or 'stopped'}")
    return Estimate(**handle.report.numbers)


def measure(runs: Sequence[RunConfiguration]) -> dict[str, float]:
    """Train a stack for a few steps, in its ``runs_dir``, and return the fields of its :class:`Estimate`."""
    from gatelab.training import train_stack

    training = runs[0].training
    with tempfile.TemporaryDirectory(dir=runs[0].runs_dir) as folder:

        def seconds(name: str, steps: int, every: int) -> float:
            changes = {"max_steps": steps, "validate_every": every, "patience": None, "stop_at": None}
            stack = [
                replace(
                    run,
                    training=run.training.model_copy(update=changes),
                    runs_dir=str(Path(folder) / name),
                    logger=LoggerSection(),
                    progress=False,
                )
                for run in runs
            ]
            begun = time.monotonic()
            train_stack(stack)
            return time.monotonic() - begun

        seconds("warm", 1, 1)
        _forget_peak()
        shortest = seconds("shortest", 1, 1)
        for steps in _STEPS:
            longer = seconds(f"{steps} more", 1 + steps, 1 + steps)
            if longer - shortest > _LONG_ENOUGH:
                break
        # five validations, and as many steps as in the last trial
        judged = seconds("judged", 1 + steps, max(1, steps // 4))
        memory = _peak()
    step = max(0.0, longer - shortest) / steps
    validation = max(0.0, judged - longer) / 4
    validations = -(-training.max_steps // training.validate_every)
    whole = shortest + (training.max_steps - 1) * step + (validations - 1) * validation
    return {"seconds": whole, "step_seconds": step, "memory": memory}


def _forget_peak() -> None:
    with suppress(OSError):  # not Linux: the peak since the process began has to do
        Path("/proc/self/clear_refs").write_text("5")
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> float:
    import torch

    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return float(torch.cuda.max_memory_allocated())
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024.0 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    # kilobytes, on macOS bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)
