"""The interface of a task: batches of sequences, a loss to minimise and a score to judge by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from gatelab.keys import Key
from gatelab.outside import Named
from gatelab.randomness import generator
from gatelab.tasks.held_out import digests, drawn_beside, repeated
from gatelab.tasks.losses import Measure
from gatelab.tasks.streams import Streams

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Batch", "GeneratedTask", "LengthTask", "RangeTask", "Task", "parts_described", "range_of"]


class Batch(NamedTuple):
    """Sequences of one task with their targets; numpy arrays.

    The mean loss of a batch is ``sum(loss_weights * losses) / sum(loss_weights)``, and the same for its score.
    """

    inputs: NDArray[Any]
    """float32 (time, batch, input), or int64 (time, batch) for tokens; zero after the end of each sequence."""
    lengths: NDArray[np.int64]
    """(batch,), the number of time steps of each sequence."""
    targets: NDArray[Any]
    """(batch, …) for readout "last", (time, batch, …) for "every"."""
    loss_weights: NDArray[np.float32]
    """(batch,) or (time, batch), zero where there is no target."""
    score_weights: NDArray[np.float32]
    """(batch,) or (time, batch), zero where there is no score."""

    def select(self, indices: NDArray[np.integer[Any]] | slice) -> Batch:
        """Return the batch of some of these sequences, in the given order; times are not shortened."""
        per_sequence = (slice(None),) * (self.loss_weights.ndim - 1) + (indices,)
        return Batch(
            self.inputs[:, indices],
            self.lengths[indices],
            self.targets[per_sequence],
            self.loss_weights[per_sequence],
            self.score_weights[per_sequence],
        )


class Task(Named, ABC):
    """Data, loss and score; the fields of a task are the keys of its file in conf/task/."""

    beside: ClassVar[tuple[str, ...]] = ()
    """What stands in columns behind the inputs, for variants that read it: ``mask``, ``dt``, in this order."""
    reads_tokens: ClassVar[bool] = False
    """Whether inputs are tokens, integers below ``input_size`` for which a network learns embeddings."""
    contiguous: ClassVar[bool] = False
    """Whether the training sequences are the pieces of one text, in its order."""
    evens_lengths: ClassVar[bool] = False
    """Whether the loss weights of a sequence sum to one, however many predictions it has."""
    score: ClassVar[Measure]
    """The score of the task, or its own method :meth:`scores`."""

    @property
    @abstractmethod
    def input_size(self) -> int:
        """Number of inputs at each time step, or of different tokens."""

    @property
    @abstractmethod
    def output_size(self) -> int:
        """Number of outputs of each prediction."""

    @property
    @abstractmethod
    def readout(self) -> Literal["last", "every"]:
        """One prediction after the last step of a sequence, or one at every step."""

    @property
    @abstractmethod
    def score_name(self) -> str:
        """The name of the score, with its unit."""

    @property
    @abstractmethod
    def higher_is_better(self) -> bool:
        """Whether a greater score is the better one."""

    @property
    @abstractmethod
    def chance(self) -> float:
        """The score of the best prediction that remembers nothing of the input."""

    @property
    @abstractmethod
    def chance_meaning(self) -> str:
        """The prediction that scores ``chance``."""

    @property
    @abstractmethod
    def perfect(self) -> float:
        """The score that no prediction can beat."""

    @property
    @abstractmethod
    def source(self) -> str:
        """Where the task was defined."""

    @abstractmethod
    def training_batch(self, seed: int, step: int, batch_size: int) -> Batch:
        """Return the batch of a step (from 0) of the run with this seed; its shapes depend on batch_size alone."""

    def training_set(self) -> Batch | None:
        """Return all training sequences; None for a task that draws new ones without end."""
        return None

    @property
    def makes_many(self) -> bool:
        """Whether :meth:`training_batches` costs less than its batches one after the other."""
        return False

    def training_batches(self, seeds: Sequence[int], steps: Sequence[int], batch_size: int) -> Batch:
        """Return the batches of many (seed, step), each array with an axis for them in front: the same numbers."""
        each = [self.training_batch(seed, step, batch_size) for seed, step in zip(seeds, steps, strict=True)]
        return Batch(*(np.stack(arrays) for arrays in zip(*each, strict=True)))

    @abstractmethod
    def validation(self) -> Batch:
        """Return all validation sequences: the same for every run, none of them in training or test."""

    @abstractmethod
    def test(self) -> Batch:
        """Return all test sequences: the same for every run, none of them in training or validation."""

    def packed_validation(self) -> Batch:
        """Return the validation sequences as they are kept; :meth:`unpack` makes those of :meth:`validation`."""
        return self.validation()

    def packed_test(self) -> Batch:
        """Return the test sequences as they are kept; :meth:`unpack` makes those of :meth:`test`."""
        return self.test()

    def unpack(self, packed: Batch) -> Batch:
        """Return some sequences of a task that keeps them packed, in the types of :class:`Batch`."""
        return packed

    def pinned(self) -> Self:
        """Return the task with the hash of each local file that it reads, where none is given: this one, if none is.

        Where data lie is no part of the identity of a run; what they hold is, and so a run's configuration names it.
        Raises :class:`UserError` in one line if the data are not there or cannot be read.
        """
        return self

    def remarks(self) -> Iterator[str]:
        """Yield lines about the data that whoever trains on them should know, such as how much of a text is unknown."""
        yield from ()

    def description(self) -> Iterator[str]:
        """Yield lines about the data, for ``describe=true``: the size of each part, the score, chance and perfect."""
        yield from self.remarks()
        yield from parts_described(self)

    @property
    def measured_loss(self) -> Measure:
        """The function behind :meth:`losses`: the class attribute ``loss``, if the task does not choose another."""
        return cast("Measure", type(self).loss)  # type: ignore[attr-defined]

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each prediction, in the shape of ``loss_weights``: by default the attribute ``loss``.

        ``outputs`` is (batch, output) for readout "last" and (time, batch, output) for "every", of one run. Predictions
        without target are given as zeros.
        """
        return self.measured_loss(outputs, targets)

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the score of each prediction, in the shape of ``score_weights``, of one run: by default ``score``."""
        return type(self).score(outputs, targets)


def parts_described(task: Task) -> Iterator[str]:
    """Yield a line for each part of a task, and one for its score."""
    training = task.training_set()
    parts = {} if training is None else {"training": training}
    for part, batch in {**parts, "validation": task.validation(), "test": task.test()}.items():
        targets = int(np.count_nonzero(batch.score_weights))
        yield f"{part}: {len(batch.lengths):,} sequences of {range_of(batch.lengths)} steps, {targets:,} targets"
    yield f"score: {task.score_name}; {task.chance_meaning} scores {task.chance:.4g}, perfect is {task.perfect:g}"


def range_of(lengths: NDArray[np.int64]) -> str:
    """Return the least and the greatest of some lengths in words: ``3 to 70``, or ``8`` where all are equal."""
    least, most = int(lengths.min()), int(lengths.max())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


class GeneratedTask(Task):
    """A task that draws new training sequences at every step, without end, or draws from a fixed set of them.

    Validation and test are drawn from their own random streams, so that they never repeat a training batch and do not
    depend on the seed of a run. (Single sequences can coincide where a task has few: copying one token of two.)
    """

    data_seed: int = Field(default=0, ge=0)
    validation_size: int = Field(default=1000, ge=1)
    test_size: int = Field(default=1000, ge=1)
    training_size: Annotated[
        int | None, Key("a fixed set of so many training sequences, drawn from; null draws new ones", neutral=None)
    ] = Field(default=None, ge=1)
    """The set is the same for every run of a ``data_seed``; a batch is drawn from it with replacement, and what is in
    it is left out of validation and test, where others are drawn instead."""

    draws_many: ClassVar[bool] = False
    """Whether :meth:`draw` also takes :class:`~gatelab.tasks.streams.Streams`: all arrays then begin with its axis."""

    @property
    def differing(self) -> bool:
        """Whether the sequences of a fixed training set, of validation and of test differ from each other."""
        return False

    @abstractmethod
    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw a batch; its shapes depend on batch_size alone."""

    def training_batch(self, seed: int, step: int, batch_size: int) -> Batch:
        random, fixed = generator(seed, "batch", step), self.training_set()
        if fixed is None:
            return self.draw(random, batch_size)
        return fixed.select(random.integers(0, len(fixed.lengths), batch_size))

    def training_set(self) -> Batch | None:
        return None if self.training_size is None else _fixed(self, self.training_size)

    @property
    def makes_many(self) -> bool:
        usual = type(self).training_batch is GeneratedTask.training_batch
        return self.draws_many and usual and self.training_size is None

    def training_batches(self, seeds: Sequence[int], steps: Sequence[int], batch_size: int) -> Batch:
        if not self.makes_many:
            return super().training_batches(seeds, steps, batch_size)
        return self.draw(cast(Any, Streams(seeds, "batch", steps)), batch_size)

    def validation(self) -> Batch:
        return _held_out(self, self, "validation", self.validation_size)

    def test(self) -> Batch:
        return _held_out(self, self.of_test(), "test", self.test_size)

    def remarks(self) -> Iterator[str]:
        yield from super().remarks()
        training = self.training_set()
        if training is not None or self.differing:
            parts = {} if training is None else {"training": training}
            parts = {**parts, "validation": self.validation(), "test": self.test()}
            yield from repeated(parts, _known(self), differing=self.differing)

    def of_test(self) -> Self:
        """Return the task that draws the test sequences: this one, unless they have another length."""
        return self


# Validation is used again and again; drawing it costs more than keeping it.
@lru_cache(maxsize=4)
def _held_out(task: GeneratedTask, drawn: GeneratedTask, purpose: str, size: int) -> Batch:
    """Return the sequences of a part, drawn by ``drawn``, without those of the fixed training set of ``task``."""
    random = generator(task.data_seed, purpose)
    return drawn_beside(lambda: drawn.draw(random, size), size, _known(task), differing=task.differing)


@lru_cache(maxsize=2)
def _fixed(task: GeneratedTask, size: int) -> Batch:
    random = generator(task.data_seed, "training")
    return drawn_beside(lambda: task.draw(random, size), size, frozenset(), differing=task.differing)


@lru_cache(maxsize=2)
def _known(task: GeneratedTask) -> frozenset[bytes]:
    """Return the digests of the fixed training set, of none without one."""
    fixed = task.training_set()
    return frozenset() if fixed is None else frozenset(digests(fixed))


class LengthTask(GeneratedTask):
    """A generated task with a ``length`` and a longer ``test_length`` for generalisation: train short, test long.

    Validation has the length of training: selection must not depend on the test.
    """

    length: int
    test_length: int | None = Field(default=None, ge=1)
    """Length of the test sequences; null for that of training and validation."""

    @model_validator(mode="after")
    def _test_length_is_possible(self) -> Self:
        try:
            self.of_test()
        except ValidationError as error:
            detail = error.errors()[0]
            # a rule on several fields has no location, and pydantic puts its own words before it
            rule = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else detail["msg"]
            place = f"as {detail['loc'][-1]}: " if detail["loc"] else ""
            raise ValueError(f"test_length={self.test_length}: {place}{rule}") from None
        return self

    def of_test(self) -> Self:
        """Return the same task with the length of the test sequences."""
        if self.test_length is None:
            return self
        return self._as_long(length=self.test_length)

    def _as_long(self, **lengths: int) -> Self:
        """Return the same task with other lengths, which draws test sequences alone."""
        changes: dict[str, Any] = {**lengths, "test_length": None, "training_size": None}
        return type(self).model_validate({**self.model_dump(), **changes})


class RangeTask(LengthTask):
    """A task whose sequences are of any length from ``shortest`` to ``length``; a longer test is all beyond it."""

    shortest: int

    @model_validator(mode="after")
    def _lengths_exist(self) -> Self:
        if self.shortest > self.length:
            raise ValueError(f"shortest={self.shortest} must be at most length={self.length}")
        return self

    def of_test(self) -> Self:
        """Return the same task with the lengths of the test sequences: all beyond those of training, if longer."""
        if self.test_length is None or self.test_length <= self.length:
            return super().of_test()
        return self._as_long(length=self.test_length, shortest=self.length + 1)
