"""Check before the first run starts whether this machine can train all of them."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gatelab.configuration import RunConfiguration
from gatelab.configuration.logger_checks import check_loggers
from gatelab.configuration.shared_values import Same
from gatelab.configuration.wandb_environment import check_variables
from gatelab.disk import check_place
from gatelab.errors import UserError
from gatelab.paths import limits, path_named, reference
from gatelab.store.file_system import check_file_system
from gatelab.sweeps.executors.devices import visible_gpus
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.memory_estimate import Room, decides, needed, room, shown, steps_of
from gatelab.sweeps.plan import automatic_size

__all__ = ["check_feasible"]

_LONGEST = 20.0  # seconds for estimates of memory, each of which draws a sequence of its task
_CLEARLY = 0.5  # share of the estimate that must fit, because the estimate is rough


def check_feasible(runs: Sequence[RunConfiguration], options: ExecutorOptions, slots: int = 1) -> None:
    """Refuse runs that cannot be trained here, and warn on stderr of what may not fit.

    Device, path, loggers, the store and memory are checked, each once for all runs that agree in it. Other machines
    (executors submitit and ray) are not checked.

    Args:
        runs: those without a result.
        options: of the launcher.
        slots: how many stacks are trained at once.

    Raises:
        UserError: in one line.
    """
    here = options.executor in ("inline", "processes")
    for runs_dir in dict.fromkeys(run.runs_dir for run in runs):
        check_place(Path(runs_dir), f"runs_dir={runs_dir}")
        check_file_system(Path(runs_dir))
    _check_loggers(runs, here=here)
    if here:
        _check_devices(runs)
        _check_paths(runs)
    _check_memory(runs, options, slots if here else 1)


def _check_devices(runs: Sequence[RunConfiguration]) -> None:
    for device, devices in dict.fromkeys((run.device, run.training.devices) for run in runs):
        if devices > 1 and device != "cpu":
            from gatelab.training.accelerators import check_devices, device_used

            check_devices(devices, device_used(device))
    for device in dict.fromkeys(run.device for run in runs if run.device not in ("auto", "cpu")):
        from gatelab.training.accelerators import check_device

        check_device(device)
        if device == "mps":
            print("note: device=mps runs the scan or the loop in plain PyTorch; nobody has tried it", file=sys.stderr)


def _check_paths(runs: Sequence[RunConfiguration]) -> None:
    """Refuse a path that needs what this machine lacks, or that cannot run on what device=auto would use."""
    seen = {(run.path, run.device == "auto", Same(run.variant)): run for run in runs}
    for run in seen.values():
        path = path_named(run.path)
        if path is None or path is reference():
            continue
        if reason := path.missing():
            raise UserError(f"path={run.path} cannot run: {reason}")
        for used, other in (("cuda", "cpu"), ("cpu", "cuda")) if run.device == "auto" else ():
            if (reason := limits(path, run.variant, used)) and _has_gpu() == (used == "cuda"):
                raise UserError(
                    f"path={run.path} cannot run: {reason}, which device=auto uses here; it needs device={other}"
                )


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _check_loggers(runs: Sequence[RunConfiguration], *, here: bool) -> None:
    for section in {Same(run.logger): run.logger for run in runs}.values():
        check_loggers(section)
        if here and section.wandb is not None:
            check_variables(section.wandb, os.environ)


def _check_memory(runs: Sequence[RunConfiguration], options: ExecutorOptions, slots: int) -> None:
    """Refuse runs that clearly do not fit into memory, and warn of runs that may not."""
    there = _room(runs, options)
    if there is None:
        return
    largest, until = 0, time.monotonic() + _LONGEST
    shapes = _shapes(runs)
    for place, (run, count) in enumerate(shapes):
        if place and time.monotonic() > until:
            left = f"{len(shapes) - place:,} of {len(shapes):,} kinds of runs, the smaller ones"
            print(f"note: not checked, because it takes too long: the memory for {left}", file=sys.stderr)
            break
        several = run.stack.size if isinstance(run.stack.size, int) else 1
        least = min(several, count)
        need = needed(run, least)
        if _CLEARLY * need > there.total:
            raise UserError(
                f"{decides(run, least)}: needs about {shown(need)} of memory, and there are {shown(there.total)} "
                f"{there.whose}"
            )
        if run.stack.size == "auto":
            need = needed(run, min(count, automatic_size(run, steps_of(run.task))))
        largest = max(largest, need)
    if slots * largest > there.free:
        each = f"{slots} stacks at once, each of up to about" if slots > 1 else "training needs about"
        at_once = "; fewer hydra.launcher.workers need less" if slots > 1 else ""
        print(
            f"warning: memory may not do: {each} {shown(largest)}, and {shown(there.free)} of {shown(there.total)} "
            f"{there.whose} are free{at_once}",
            file=sys.stderr,
        )


def _room(runs: Sequence[RunConfiguration], options: ExecutorOptions) -> Room | None:
    """Return the memory of the training device; None if it is unknown."""
    if options.executor == "submitit" and options.submitit.mem_gb is not None:
        size = int(options.submitit.mem_gb * 2**30)
        return Room(size, size, "that a job has (hydra.launcher.submitit.mem_gb)")
    if options.executor not in ("inline", "processes"):
        return None
    if any(run.device != "cpu" for run in runs) and visible_gpus():
        import torch

        if torch.cuda.is_available():
            free, total = torch.cuda.mem_get_info()
            devices = min(run.training.devices for run in runs)
            return Room(devices * total, devices * free, "of the GPU" if devices == 1 else f"of {devices} GPUs")
    return room()


def _shapes(runs: Sequence[RunConfiguration]) -> list[tuple[RunConfiguration, int]]:
    """Return one run per estimate of memory, and how many share it; the probably largest first."""
    found: dict[object, tuple[RunConfiguration, int]] = {}
    for run in runs:
        model = run.model
        sizes = (model.hidden_size, model.num_layers, model.bidirectional, model.embedding)
        key = (Same(run.variant), Same(run.task), sizes, run.training.batch_size, run.path, run.stack.size)
        first, count = found.get(key, (run, 0))
        found[key] = (first, count + 1)
    return sorted(found.values(), key=lambda shape: _size(shape[0]), reverse=True)


def _size(run: RunConfiguration) -> int:
    return run.model.hidden_size * run.model.num_layers * run.training.batch_size
