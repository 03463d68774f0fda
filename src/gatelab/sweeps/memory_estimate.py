"""Estimate the memory of a run and the memory available, to refuse before the start what cannot fit."""

import contextlib
import os
import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gatelab.compiler.costs import step_values
from gatelab.configuration import RunConfiguration
from gatelab.configuration.matched_width import network_cost
from gatelab.errors import UserError
from gatelab.language.masked import drawn_words, in_training
from gatelab.language.sizes import DRAWN
from gatelab.paths import PATHS, path_named
from gatelab.tasks import GeneratedTask, Task

__all__ = ["Room", "decides", "is_out_of_memory", "needed", "out_of_memory", "room", "shown", "steps_of"]

_PROCESS = 450 * 2**20  # bytes of Python, torch and Lightning, before the first tensor
_COPIES = 24
"""Copies of the weights at the peak: weights, gradients, the optimiser's state, the best weights of validation,
and, while a checkpoint is written, copies of most of these (measured: 20 to 28 with Adam)."""
_EVALUATED = 256  # sequences of a batch of validation and test: training.data.EVALUATION_BATCH
_NUMBER = 4  # bytes

_UNLIMITED = 2**60  # "no limit" is reported as a larger number


@dataclass(frozen=True)
class Room:
    """The memory that this process and its workers may take, in bytes.

    Attributes:
        total: if nothing else ran.
        free: available now.
        whose: the origin of ``total``.
    """

    total: int
    free: int
    whose: str


@dataclass(frozen=True)
class _Sizes:
    """Sizes of a task's sequences: steps in training and in evaluation, bytes of one, number of held-out ones."""

    steps: int
    longest: int
    sequence: int
    held_out: int


def needed(run: RunConfiguration, runs: int = 1) -> int:
    """Return the approximate peak bytes of a process that trains this many runs of equal shapes together.

    The sum of: the values kept for the backward pass; the weights, as often as they exist at once; a batch of
    validation; the data. Measured peaks are 0.6 to 1.5 times as large.

    Raises:
        UserError: one sequence of the task is larger than the memory; data that cannot be read.
    """
    sizes, model = _sizes(run.task), run.model
    directions = 2 if model.bidirectional else 1
    words = drawn_words(run.variant, {word: getattr(model, word) for word in DRAWN})
    variant = in_training(run.variant, words) if words else run.variant
    steps = min(sizes.steps, run.training.truncate or sizes.steps)
    # a mask is there twice, as it was drawn and behind what a layer reads
    values = step_values(variant, model.hidden_size) + 2 * len(words) * model.hidden_size
    values *= model.num_layers * directions
    way_back = (path_named(run.path) or PATHS[0]).kept * _NUMBER * values * steps * run.training.batch_size
    weights = _COPIES * _NUMBER * network_cost(run.variant, run.task, model, "parameters")
    features = 3 * model.hidden_size * directions + (run.task.output_size if run.task.readout == "every" else 0)
    evaluation = _NUMBER * features * sizes.longest * min(_EVALUATED, sizes.held_out)
    batch = sizes.sequence * run.training.batch_size
    return int(_PROCESS + runs * (max(way_back, evaluation) + weights + 2 * batch) + sizes.sequence * sizes.held_out)


def steps_of(task: Task) -> int:
    """Return the steps of a training batch; raises as :func:`needed`."""
    return _sizes(task).steps


@lru_cache(maxsize=512)
def _sizes(task: Task) -> _Sizes:
    """Measure one training sequence, and one of the test if its length differs."""
    with _no_more_than_there_is(task):
        # one sequence, before a fixed set of them is drawn
        alone = task.model_copy(update={"training_size": None}) if isinstance(task, GeneratedTask) else task
        one = alone.training_batch(0, 0, 1)
        steps = longest = one.inputs.shape[0]
        sequence = sum(array.nbytes for array in one)
        if isinstance(task, GeneratedTask):
            held_out = task.validation_size + task.test_size + (task.training_size or 0)
            if (tested := task.of_test()) != task:
                longest = max(steps, tested.training_batch(0, 0, 1).inputs.shape[0])
        else:
            evaluated = task.validation()
            held_out, longest = len(evaluated.lengths), max(steps, evaluated.inputs.shape[0])
    return _Sizes(steps, longest, sequence, held_out)


@contextlib.contextmanager
def _no_more_than_there_is(task: Task) -> Iterator[None]:
    """Make an array larger than the free memory an error: the system might kill the process instead."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    mapped = _mapped()
    try:
        if mapped is not None:
            allowed = mapped + room().free
            resource.setrlimit(resource.RLIMIT_AS, (allowed if soft < 0 else min(soft, allowed), hard))
        yield
    except (MemoryError, OverflowError, ValueError) as error:
        # numpy raises ValueError for sizes beyond the address space
        if isinstance(error, ValueError) and "dimension" not in str(error) and "large" not in str(error):
            raise
        words = " ".join(str(error).split())
        raise UserError(f"task={task.name}: one sequence of it is larger than the free memory: {words}") from None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def room() -> Room:
    """Return the memory of this machine, or the limit on it."""
    lines = _table(Path("/proc/meminfo"))
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    swap = lines.get("SwapTotal", 0)
    total = lines.get("MemTotal", pages) + swap
    free = lines.get("MemAvailable", pages) + lines.get("SwapFree", 0)
    found = [Room(total, free, "of this machine"), *_groups()]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if 0 <= soft < _UNLIMITED:
        found.append(Room(soft, max(0, soft - (_mapped() or 0)), "that a process may take (ulimit -v)"))
    least = min(found, key=lambda one: one.total)
    return Room(least.total, min(one.free for one in found), least.whose)


def _groups(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> list[Room]:
    """Return the limits of this process's control groups (version 1 or 2), as set by containers."""
    rooms = []
    with contextlib.suppress(OSError, ValueError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            base = root / controllers if controllers else root
            names = (
                ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
            )
            inner = base / path.strip("/")
            for folder in (inner, *inner.parents):
                if not folder.is_relative_to(base):
                    break
                with contextlib.suppress(OSError, ValueError):
                    limit, used = (int((folder / name).read_text()) for name in names)
                    if limit < _UNLIMITED:
                        rooms.append(Room(limit, max(0, limit - used), "that the control group of this process has"))
    return rooms


def _table(path: Path) -> dict[str, int]:
    """Return the numbers of /proc/meminfo in bytes; none where there is no such file."""
    with contextlib.suppress(OSError, ValueError):
        rows = (line.split() for line in path.read_text().splitlines())
        return {row[0].rstrip(":"): int(row[1]) * (1024 if row[2:] == ["kB"] else 1) for row in rows}
    return {}


def _mapped() -> int | None:
    """Return the limit on this process's address space in bytes, or None if there is none."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of numpy, Python, torch or CUDA means that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = str(error)
    return isinstance(error, RuntimeError | OSError) and any(
        part in words for part in ("can't allocate memory", "Cannot allocate memory", "out of memory", "bad_alloc")
    )


def out_of_memory(error: BaseException, runs: Sequence[RunConfiguration]) -> str:
    """Return one line for a stack that has run out of memory, with its estimated need."""
    words = " ".join(str(error).split())[:200]
    said = f" ({type(error).__name__}: {words})" if words else ""
    there, first = room(), runs[0]
    with contextlib.suppress(UserError, MemoryError):
        about = f"; about {shown(needed(first, len(runs)))} are needed for {decides(first, len(runs))}"
        return (
            f"out of memory{said}{about}, and there are {shown(there.free)} free of {shown(there.total)} {there.whose}"
        )
    return f"out of memory{said}"


def shown(size: float) -> str:
    """Return a size for people: ``850 MB``, ``3.2 GB``, ``1.5 TB``."""
    units = {"MB": 2**20, "GB": 2**30, "TB": 2**40, "PB": 2**50}
    name = next((name for name, unit in units.items() if size < 1000 * unit), "PB")
    return f"{size / units[name]:.3g} {name}"


def decides(run: RunConfiguration, runs: int) -> str:
    """Return the settings that determine the need for memory."""
    together = f", {runs} runs together" if runs > 1 else ""
    layers = f", model.num_layers={run.model.num_layers}" if run.model.num_layers > 1 else ""
    return (
        f"{run.label} on {run.task.name} (model.hidden_size={run.model.hidden_size}{layers}, {_sizes(run.task).steps} "
        f"steps, training.batch_size={run.training.batch_size}{together})"
    )
