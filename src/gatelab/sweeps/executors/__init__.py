"""Executors: one interface to the engines that train stacks."""

import importlib.util
from pathlib import Path

from gatelab.errors import UserError
from gatelab.sweeps.executors.executor import Executor, Handle
from gatelab.sweeps.launcher_options import ExecutorOptions

__all__ = ["Executor", "Handle", "check_engine", "open_executor"]


def check_engine(options: ExecutorOptions) -> None:
    """Raise a UserError if the engine is not installed, or cannot be left alone where that is asked for."""
    name = options.executor
    if options.detach and (name != "submitit" or options.submitit.cluster in ("local", "debug")):
        cluster = f"hydra.launcher.submitit.cluster={options.submitit.cluster}"
        kind = cluster if name == "submitit" else f"hydra.launcher.executor={name}"
        raise UserError(
            f"hydra.launcher.detach=true: the stacks of {kind} end with this command; must be false, or "
            "hydra.launcher.executor=submitit with a SLURM cluster"
        )
    if name in ("submitit", "ray") and importlib.util.find_spec(name) is None:
        raise UserError(
            f"hydra.launcher.executor={name}: needs `pip install {name}`; allowed without: processes, inline"
        )


def open_executor(options: ExecutorOptions, threads: int, device: str, folder: Path, devices: int = 1) -> Executor:
    """Return the executor that the options name.

    Args:
        options: below hydra.launcher.
        threads: of one stack.
        device: auto, cpu, cuda or mps.
        folder: where an engine may keep its files.
        devices: of one stack: processes, each with its threads, or GPUs.
    """
    check_engine(options)
    # each brings its own library
    match options.executor:
        case "inline":
            from gatelab.sweeps.executors.inline import Inline

            return Inline()
        case "processes":
            from gatelab.sweeps.executors.devices import together, visible_gpus
            from gatelab.sweeps.executors.processes import Processes

            gpus = together(visible_gpus(), devices) if device != "cpu" else ()
            return Processes(options.slots(threads * devices, len(gpus)), gpus)
        case "submitit":
            from gatelab.sweeps.executors.submitit import Submitit

            return Submitit(options, folder)
        case "ray":
            from gatelab.sweeps.executors.ray import Ray

            return Ray(options)
