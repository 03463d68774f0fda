"""A trial: a few timed steps of a stack, in a temporary folder."""

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gatelab.configuration import RunConfiguration
from gatelab.keys import LoggerSection

__all__ = ["measure"]

_STEPS = (4, 20, 100)  # this many, until their time is well above the noise
_LONG_ENOUGH = 0.3  # seconds


def measure(runs: Sequence[RunConfiguration]) -> dict[str, float]:
    """Train a stack for a few steps, in its ``runs_dir``, and return the fields of an ``Estimate``."""
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
