"""Checks of the properties of a task: for your own task before it is trained, and for ours in tests.

    from gatelab.tasks.checking import check_task

    check_task(MyTask(length=12))

Each check is a function of a task and a batch size that yields a sentence for each failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gatelab.errors import UserError
from gatelab.language.sizes import columns_beside
from gatelab.outside import Named
from gatelab.randomness import generator
from gatelab.tasks.finite_task import FiniteTask
from gatelab.tasks.task import Batch, Task

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["QUESTIONS", "TaskError", "check_task", "same", "sequences"]

_TOLERANCE = 1e-5  # relative and absolute: a few roundings in float32
_TRAINING_SEQUENCES = 500  # of a generated task, to be compared with validation and test
_RUNS = 3


class TaskError(UserError):
    """A task fails a check of :class:`gatelab.tasks.Task`; the message names it."""


def check_task(task: Task, batch_size: int = 3, *, apart: bool = True) -> None:
    """Run all checks on a task; give it small sizes, so that they are fast.

    Args:
        task: your task.
        batch_size: of the training batches.
        apart: no sequence may be in two of training, validation and test. False for a task that has only few
            sequences, where the same one can be drawn twice.

    Raises:
        TaskError: the first failed check.
    """
    for name, question in QUESTIONS.items():
        for sentence in question(task, batch_size) if apart or name != "apart" else ():
            raise TaskError(f"task {task.name}: {sentence}")


def same(one: Batch, other: Batch) -> bool:
    """Return whether two batches are equal, number by number."""
    arrays: tuple[tuple[np.ndarray[Any, Any], ...], ...] = (tuple(one), tuple(other))
    return all(np.array_equal(a, b) for a, b in zip(*arrays, strict=True))


def sequences(batch: Batch) -> set[bytes]:
    """Return each sequence of a batch, inputs and targets, as bytes."""
    singles = [batch.select(slice(index, index + 1)) for index in range(len(batch.lengths))]
    return {single.inputs[: single.lengths[0]].tobytes() + single.targets.tobytes() for single in singles}


def _parts(task: Task, batch_size: int) -> dict[str, Batch]:
    return {"training": task.training_batch(0, 0, batch_size), "validation": task.validation(), "test": task.test()}


def _shapes(task: Task, batch_size: int) -> Iterator[str]:
    for part, batch in _parts(task, batch_size).items():
        for right, sentence in _expected(task, batch, batch_size if part == "training" else None):
            if not right:
                yield f"{part}: {sentence}"


def _expected(task: Task, batch: Batch, size: int | None) -> Iterator[tuple[bool, str]]:
    """Yield whether each property of a batch holds, and the message otherwise; shapes before values."""
    time, found = batch.inputs.shape[:2]
    leading = (found,) if task.readout == "last" else (time, found)
    yield size is None or found == size, f"has {found} sequences; must have batch_size={size}"
    if task.reads_tokens:
        tokens = batch.inputs.ndim == 2 and batch.inputs.dtype == np.int64
        yield tokens, f"inputs are {_kind(batch.inputs)}; must be int64 (time, batch), since reads_tokens is true"
        within = bool(tokens and batch.inputs.min() >= 0 and batch.inputs.max() < task.input_size)
        yield within, f"tokens must be from 0 to input_size - 1 = {task.input_size - 1}"
    else:
        columns = task.input_size + columns_beside(task.beside, task.input_size)
        right = batch.inputs.shape[2:] == (columns,) and batch.inputs.dtype == np.float32
        yield right, f"inputs are {_kind(batch.inputs)}; must be float32 (time, batch, input_size={task.input_size})"
    lengths = batch.lengths.shape == (found,) and batch.lengths.dtype == np.int64
    yield lengths, f"lengths are {_kind(batch.lengths)}; must be int64 ({found},)"
    yield bool(batch.lengths.min() >= 1 and batch.lengths.max() <= time), f"lengths must be from 1 to {time}"
    targets = batch.targets.shape[: len(leading)] == leading and batch.targets.dtype in (np.float32, np.int64)
    yield targets, f"targets are {_kind(batch.targets)}; must be float32 or int64, and begin with {leading}"
    for name in ("loss_weights", "score_weights"):
        weights = getattr(batch, name)
        right = weights.shape == leading and weights.dtype == np.float32
        yield right, f"{name} are {_kind(weights)}; must be float32 {leading}, for readout '{task.readout}'"
        yield bool(weights.min() >= 0 and weights.sum() > 0), f"{name} must be 0 or more, and not all 0"


def _kind(array: np.ndarray[Any, Any]) -> str:
    return f"{array.dtype} {array.shape}"


def _padding(task: Task, batch_size: int) -> Iterator[str]:
    for part, batch in _parts(task, batch_size).items():
        after_the_end = np.arange(len(batch.inputs))[:, None] >= batch.lengths
        if batch.inputs[after_the_end].any():
            yield f"{part}: inputs after the end of a sequence must be 0"
        weights = (batch.loss_weights, batch.score_weights) if task.readout == "every" else ()
        if any(each[after_the_end].any() for each in weights):
            yield f"{part}: weights after the end of a sequence must be 0"


def _determined(task: Task, batch_size: int) -> Iterator[str]:
    first = task.training_batch(1, 2, batch_size)
    others = [task.training_batch(seed, step, batch_size) for seed, step in ((5, 0), (0, 2), (1, 3))]
    if not same(first, task.training_batch(1, 2, batch_size)):
        yield "training_batch(seed, step, batch_size) must give the same batch at every call"
    if all(same(first, other) for other in others):
        yield "training_batch gives the same batch for every seed and step"
    if not same(task.validation(), task.validation()) or not same(task.test(), task.test()):
        yield "validation() and test() must give the same batch at every call"


def _one_shape(task: Task, batch_size: int) -> Iterator[str]:
    batches = (task.training_batch(seed, step, batch_size) for seed in range(2) for step in range(5))
    shapes = {tuple(array.shape for array in batch) for batch in batches}
    if len(shapes) > 1:
        first, second, *_ = sorted(shapes)
        yield f"all training batches must have the same shapes, whatever the seed and step; {first} and {second} differ"


def _apart(task: Task, batch_size: int) -> Iterator[str]:
    size = max(batch_size, _TRAINING_SEQUENCES)
    training = task.training() if isinstance(task, FiniteTask) else task.training_batch(0, 0, size)
    batches = {"training": training, "validation": task.validation(), "test": task.test()}
    parts = {name: sequences(batch) for name, batch in batches.items()}
    for one, other in (("training", "validation"), ("training", "test"), ("validation", "test")):
        if shared := len(parts[one] & parts[other]):
            yield f"{one} and {other} have {shared} sequences in common; must have none"


def _measures(task: Task, batch_size: int) -> Iterator[str]:
    """Losses and scores: shape of their weights, equal alone and beside other runs, finite gradients."""
    import torch

    batch = task.training_batch(0, 0, batch_size)
    targets = torch.from_numpy(batch.targets)
    shape = (_RUNS, *batch.loss_weights.shape, task.output_size)
    outputs = torch.from_numpy(generator(0, "outputs").normal(size=shape).astype(np.float32))
    measures: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"losses": task.losses, "scores": task.scores}
    for name, measure in measures.items():
        alone = [measure(one, targets) for one in outputs]
        found, weights = tuple(alone[0].shape), batch.loss_weights.shape
        if found != weights:
            yield f"{name} have the shape {found}; must be {weights}, as their weights"
            return
        together = torch.func.vmap(measure, in_dims=(0, None))(outputs, targets)
        if not torch.allclose(together, torch.stack(alone), rtol=_TOLERANCE, atol=_TOLERANCE):
            yield f"{name} of a run must not depend on other runs: torch.func.vmap gives other values"
    leaf = (100 * outputs[0]).requires_grad_()
    (gradient,) = torch.autograd.grad(task.losses(leaf, targets).sum(), leaf)
    if not gradient.isfinite().all() or not gradient.any():
        yield "the gradient of losses must be finite, and not 0 everywhere"


def _meaning(task: Task, batch_size: int) -> Iterator[str]:  # noqa: ARG001 - a check takes both
    for name in ("chance_meaning", "source", "score_name"):
        if not getattr(task, name):
            yield f"{name} is empty"
    if (task.perfect > task.chance) != task.higher_is_better:
        yield (
            f"perfect={task.perfect:g} and chance={task.chance:g} do not fit "
            f"higher_is_better={str(task.higher_is_better).lower()}"
        )


def _mapping(task: Named, batch_size: int) -> Iterator[str]:  # noqa: ARG001
    stored = task.model_dump(mode="json")
    if type(task).model_validate(stored) != task:
        yield f"its fields do not survive being stored: {stored}"


QUESTIONS: dict[str, Callable[[Task, int], Iterator[str]]] = {
    "shapes": _shapes,
    "padding": _padding,
    "determined": _determined,
    "one shape": _one_shape,
    "apart": _apart,
    "measures": _measures,
    "meaning": _meaning,
    "mapping": _mapping,
}
"""Each property of a task, and the function that checks it."""
