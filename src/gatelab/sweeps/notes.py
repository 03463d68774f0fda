"""Notes, before training, on settings that have no effect: one line each, once per sweep."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from gatelab.configuration import Points, RunConfiguration
from gatelab.configuration.shared_values import Same
from gatelab.configuration.wandb_environment import told
from gatelab.configuration.without_effect import doubts, notes
from gatelab.errors import one_line
from gatelab.keys import WandbSection
from gatelab.sweeps.launcher_options import ExecutorOptions, cores
from gatelab.tasks import Task

__all__ = ["idle_words", "of_data", "of_kernels", "of_launcher", "of_loggers", "of_runs", "of_single"]

_OF_SWEEPS = ("hydra.launcher.", "hydra/launcher=", "hydra.sweep.", "hydra.sweeper.", "hydra/sweeper=")


def of_runs(runs: Sequence[RunConfiguration], given: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the notes on the points of a sweep, or on a single run.

    Args:
        runs: the points.
        given: the mappings that they were read from.
    """
    points = Points.of(given)
    firsts = [runs[first] for first in points.firsts()]
    counts = [count for _, count in sorted(Counter(points.places).items())]
    yield from notes(firsts, points.kinds, counts)
    yield from doubts(firsts, counts)
    identities = len({run.identity for run in runs})
    runs_of_them = f"{identities} run{'s' if identities > 1 else ''}"
    if identities < len(runs):
        yield f"{len(runs)} points are {runs_of_them}: the others are one of these again"
    size = runs[0].stack.size
    if isinstance(size, int) and size > identities and len({run.stack.size for run in runs}) == 1:
        yield f"stack.size={size} has no effect: {runs_of_them} will be trained"


def of_data(runs: Sequence[RunConfiguration], given: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what there is to know of the data of some points, and what was left open and follows from them."""
    yield from _filled_in(runs, given)
    for task in {Same(run.task): run.task for run in runs}.values():
        yield from task.remarks()


def _filled_in(runs: Sequence[RunConfiguration], given: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what was left open and follows from the data: hashes of local files, the largest time of an opening."""
    seen = set()
    for run, point in zip(runs, given, strict=True):
        for name, section in (("task", run.task), ("opening", run.opening)):
            if (name, Same(section)) in seen or name not in point:
                continue
            seen.add((name, Same(section)))
            fields = type(section).model_fields
            for key, value in section:
                if value is not None and point[name].get(key) is None and fields[key].default is None:
                    yield from _follows(f"{name}.{key}", value, run.task)


def _follows(key: str, value: Any, task: Task) -> Iterator[str]:
    if key == "opening.max_time":
        yield f"{key}={value}, the steps of a training sequence of task '{task.name}'"
    elif key.endswith("sha256"):
        yield f"{key}={value}, computed of the local data; config.yaml of each run keeps it"


def of_kernels(runs: Sequence[RunConfiguration]) -> Iterator[str]:
    """Yield what kernels of GPUs cost before the first step."""
    asked = [run for run in runs if run.path == "triton" and run.device != "cpu"]
    shapes = {
        (run.variant.name, run.task.input_size, run.model.hidden_size, run.training.batch_size, run.training.precision)
        for run in asked
    }
    if shapes:
        of_them = "one shape" if len(shapes) == 1 else f"{len(shapes)} shapes"
        yield (
            f"path=triton: kernels of {of_them} are compiled and measured before their first step, which may take half "
            "a minute a shape, unless this machine did so before"
        )


def of_loggers(runs: Sequence[RunConfiguration], environ: Mapping[str, str], *, sweep: bool) -> Iterator[str]:
    """Yield the notes on W&B: options while it is disabled, variables of the environment."""
    section = next((run.logger.wandb for run in runs if run.logger.wandb is not None), None)
    if section is None:
        return
    if section.mode == "disabled":
        because = "logger.wandb.mode=disabled"
        yield from _changed(section, WandbSection(), "logger.wandb.", because, {"checkpoints", "patience"})
    else:
        yield from told(environ, sweep=sweep)


def of_launcher(options: ExecutorOptions, runs: Sequence[RunConfiguration]) -> Iterator[str]:
    """Yield the notes on the launcher: options of another executor, more threads than cores."""
    usual, executor = ExecutorOptions(), options.executor
    named = f"hydra.launcher.executor={executor}"
    for name in ("submitit", "ray"):
        if executor != name:
            yield from _changed(getattr(options, name), getattr(usual, name), f"hydra.launcher.{name}.", named)
    if executor == "submitit" and options.submitit.cluster in ("local", "debug"):
        of_queue = {"slurm_partition", "slurm_account", "mem_gb", "cpus_per_task"}
        because = f"hydra.launcher.submitit.cluster={options.submitit.cluster} has no queue"
        yield from _changed(options.submitit, usual.submitit, "hydra.launcher.submitit.", because, of_queue)
    if executor == "inline":
        because = f"{named} trains in this process, one stack after another"
        yield from _changed(options, usual, "hydra.launcher.", because, {"workers", "limit_minutes", "silent_minutes"})
    elif executor != "processes":
        because = f"{named} does not see the steps of a stack"
        yield from _changed(options, usual, "hydra.launcher.", because, {"silent_minutes"})
    if options.detach:
        because = "hydra.launcher.detach=true waits for no stack"
        yield from _changed(options, usual, "hydra.launcher.", because, {"limit_minutes", "retries"})
    identities = len({run.identity for run in runs})
    if executor == "processes" and options.workers is not None and options.workers > identities:
        yield f"hydra.launcher.workers={options.workers} are more than the {identities} runs there are"
    if executor in ("inline", "processes"):
        largest = max(runs, key=lambda run: run.threads * run.training.devices)
        yield from _of_threads(options, largest, identities)


def _of_threads(options: ExecutorOptions, run: RunConfiguration, runs: int) -> Iterator[str]:
    threads, there = run.threads, cores()
    devices = 1 if run.device == "cuda" else run.training.devices
    has = f"this process has {there} core{'s' if there > 1 else ''}"
    workers = min(options.workers or 1, runs) if options.executor == "processes" else 1
    if threads > there:
        yield f"threads={threads}: {has}; more threads than cores make training slower"
    elif devices > 1 and devices * threads > there:
        of_each = f" of {threads} threads" if threads > 1 else ""
        yield f"training.devices={devices}: {has}; {devices} processes{of_each} make each other slower"
    elif workers * threads * devices > there:
        of_each = f" of {threads} threads" if threads > 1 else ""
        yield f"hydra.launcher.workers={options.workers}: {has}; {workers} workers{of_each} make each other slower"


def of_single(arguments: Sequence[str], run: RunConfiguration) -> Iterator[str]:
    """Yield the notes on launcher options of a single run, which is always trained in this process."""
    yield from idle_words(arguments)
    yield from _of_threads(ExecutorOptions(executor="inline"), run, 1)


def idle_words(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the notes on arguments for sweeps in a call that is no sweep."""
    if {"-m", "--multirun"} & set(arguments):
        return
    for word in arguments:
        if word.lstrip("+").startswith(_OF_SWEEPS):
            yield f"{word} has no effect: a sweep needs -m"


def _changed(
    options: BaseModel, usual: BaseModel, above: str, because: str, names: set[str] | None = None
) -> Iterator[str]:
    for name in type(options).model_fields if names is None else sorted(names):
        value = getattr(options, name)
        if value != getattr(usual, name):
            yield f"{above}{name}={one_line(value)} has no effect: {because}"
