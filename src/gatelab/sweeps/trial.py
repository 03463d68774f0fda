"""A trial: a few timed steps of a stack, in a temporary folder."""

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median

from gatelab.configuration import RunConfiguration
from gatelab.keys import LoggerSection

__all__ = ["measure"]

_STEPS = (4, 20, 100)  # this many, until their time is well above the noise
_LONG_ENOUGH = 0.3  # seconds


def measure(runs: Sequence[RunConfiguration]) -> dict[str, float]:
    """Train a stack for a few steps, in its ``runs_dir``, and return the fields of an ``Estimate``."""
    import torch

    from gatelab.training import train_stack
    from gatelab.training.stack_module import StackModule
    from gatelab.training.watcher import Watcher

    class Clock(Watcher):
        """Takes the time of what repeats; the first step and the first validation, which are longer, do not count."""

        def __init__(self) -> None:
            self.steps, self.taking = 0, 0.0
            self.validations: list[float] = []
            self._since = 0.0

        def on_train_batch_end(self, module: StackModule) -> None:
            now = time.monotonic()
            if module.taken > 1:
                self.steps, self.taking = module.taken - 1, self.taking + now - self._since
            self._since = now

        def on_validation_start(self, module: StackModule) -> None:
            if module.device.type == "cuda":
                torch.cuda.synchronize()  # the steps are asked for, not yet taken
            now = time.monotonic()
            self.taking += now - self._since
            self._since = now

        def on_validation_end(self, module: StackModule) -> None:
            now = time.monotonic()
            self.validations.append(now - self._since)
            self._since = now

    training = runs[0].training
    with tempfile.TemporaryDirectory(dir=runs[0].runs_dir) as folder:

        def timed(name: str, steps: int, every: int) -> tuple[Clock, float]:
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
            clock, begun = Clock(), time.monotonic()
            train_stack(stack, display=clock)
            return clock, time.monotonic() - begun

        timed("warm", 1, 1)
        _forget_peak()
        for steps in _STEPS:
            clock, whole = timed(f"{steps} more", 1 + steps, max(1, steps // 4))
            if clock.taking > _LONG_ENOUGH:
                break
        memory = _peak()
    # none where all runs diverge at once
    step = clock.taking / max(1, clock.steps)
    validation = median(clock.validations[1:] or [0.0])
    validations = -(-training.max_steps // training.validate_every)
    rest = whole - clock.taking - sum(clock.validations[1:])  # with the first step and the first validation
    seconds = rest + (training.max_steps - 1) * step + (validations - 1) * validation
    return {"seconds": seconds, "step_seconds": step, "memory": memory}


def _forget_peak() -> None:
    with suppress(OSError):  # not Linux: use the peak since the process began
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
