"""The batches of a stack: each run's own training batches side by side, validation and test shared by all."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from gatelab.configuration import RunConfiguration
from gatelab.layers.drawn_columns import draw_columns, drawn_of
from gatelab.layers.network import Network
from gatelab.randomness import generator
from gatelab.tasks import Batch, Task
from gatelab.training.pieces import Pieces, pieces_of
from gatelab.training.process_group import Rank

__all__ = ["EVALUATION_BATCH", "EvaluationBatches", "StackBatch", "StackData", "probe_batch"]

EVALUATION_BATCH = 256
"""Sequences in a batch of validation and test, the same for every stack: results must not depend on other runs."""
_LONGER, _BESIDES = 1.5, 16
"""The longest sequence of a batch of an evaluation has so many times the steps of the shortest, and so many more."""
_AHEAD = 1 << 22
"""Bytes of batches that are made ahead: enough for small batches to cost little, few enough to stay in a cache."""
_FURTHEST = 64  # steps


class StackBatch(NamedTuple):
    """One batch for every run, with a leading run axis; for validation and test one batch without it."""

    inputs: Tensor
    """(runs, time, batch, input), or (runs, time, batch) of tokens."""
    lengths: Tensor
    """(runs, batch), also if every sequence fills the time axis: the computation must not depend on the batch."""
    targets: Tensor
    loss_weights: Tensor
    score_weights: Tensor
    masks: list[Tensor] | None
    """Dropout: for each layer but the last (runs, time, batch, features); None without."""
    divisors: Tensor | None = None
    """(runs,) by which the sum of a run's losses is divided; 0 for the sum of the weights, as all are where None."""
    drawn: list[Tensor] | None = None
    """Masks within a step: for each layer and direction (runs, time, batch, columns); None for their expectation."""

    def first_step(self) -> "StackBatch":
        """Return the first of some steps' batches, which have an axis of steps in front."""
        parts = (self.inputs, self.lengths, self.targets, self.loss_weights, self.score_weights)
        inputs, lengths, targets, loss_weights, score_weights = (part[0] for part in parts)
        return StackBatch(inputs, lengths, targets, loss_weights, score_weights, None, self.divisors)

    def of_rank(self, rank: Rank) -> "StackBatch":
        """Return the sequences that one process of a run takes; their losses are still divided as those of all are."""
        if rank.of == 1:
            return self
        axis = self.loss_weights.dim() - 1  # of sequences: behind the runs, and behind time where there are steps
        weights = self.loss_weights.flatten(1).sum(1)
        divisors = weights if self.divisors is None else torch.where(self.divisors > 0, self.divisors, weights)
        parts = (self.targets, self.loss_weights, self.score_weights)
        targets, loss_weights, score_weights = (rank.part(part, axis) for part in parts)
        masks, drawn = (
            None if each is None else [rank.part(one, 2) for one in each] for each in (self.masks, self.drawn)
        )
        inputs, lengths = rank.part(self.inputs, 2), rank.part(self.lengths, 1)
        return StackBatch(inputs, lengths, targets, loss_weights, score_weights, masks, divisors, drawn)

    def moved(self, device: torch.device) -> "StackBatch":
        """Return the batch on a device, all but its lengths: layers check these, and would wait for the device."""

        def there(part: Any) -> Any:
            # from pinned memory it arrives while the device works
            if isinstance(part, Tensor):
                return part.to(device, non_blocking=True)
            return None if part is None else [there(one) for one in part]

        return StackBatch(**{name: there(part) for name, part in self._asdict().items()})._replace(lengths=self.lengths)

    def first(self, sequences: int, device: torch.device) -> "StackBatch":
        """Return the first sequences of a batch without run axis, on a device."""
        per_sequence = (slice(None),) * (self.loss_weights.dim() - 1) + (slice(sequences),)
        parts = (self.targets, self.loss_weights, self.score_weights)
        targets, loss_weights, score_weights = (part[per_sequence].to(device) for part in parts)
        inputs, lengths = self.inputs[:, :sequences].to(device), self.lengths[:sequences].to(device)
        return StackBatch(inputs, lengths, targets, loss_weights, score_weights, None)


class StackData:
    """The data of one stack.

    Args:
        configurations: the runs.
        template: their network, for the shape of dropout.
        rank: which of the processes of a run this is, where it has several.

    Attributes:
        start: the step, counted from 0, at which training begins.
    """

    def __init__(self, configurations: Sequence[RunConfiguration], template: Network, rank: Rank | None = None) -> None:
        self.rank = rank or Rank()
        self.configurations = list(configurations)
        self.template = template
        self.task = configurations[0].task
        self.batch_size = configurations[0].training.batch_size
        self.start = 0
        # batches made ahead, each array with an axis of steps in front, and the steps that they are for
        self._ahead: Batch | None = None
        self._steps = range(0)
        self._room = 1  # steps that fit into _AHEAD, once the size of a batch is known
        self.pieces = pieces_of(configurations[0])

    def train_dataloader(self, *, pinned: bool = False) -> DataLoader[StackBatch]:
        """Return the endless training batches, in memory from which a GPU fetches by itself if asked."""
        return DataLoader(_Training(self), batch_size=None, pin_memory=pinned)

    def val_dataloader(self) -> DataLoader[StackBatch]:
        """Return the validation batches."""
        return DataLoader(EvaluationBatches(self.task.packed_validation(), self.task), batch_size=None)

    def test_dataloader(self) -> DataLoader[StackBatch]:
        """Return the test batches. Called once, when every run's best checkpoint is known."""
        return DataLoader(EvaluationBatches(self.task.packed_test(), self.task), batch_size=None)

    def batch(self, step: int) -> StackBatch:
        """Return the training batches of a step, counted from 0: each a function of its run's seed and the step."""
        found = self.block(step, 1).first_step() if self.pieces is None else self._piece(self.pieces, step)
        steps = found.inputs.shape[1]
        whole = found._replace(masks=self._masks(step, steps), drawn=self._drawn(step, steps))
        return whole.of_rank(self.rank)

    def block(self, step: int, most: int) -> StackBatch:
        """Return the batches of some steps that follow one another, with an axis of steps in front, and without masks.

        Args:
            step: the first, counted from 0.
            most: how many at most; there is at least one.
        """
        if self._ahead is None or step not in self._steps:
            self._make_ahead(step)
        assert self._ahead is not None
        noisy = any(configuration.training.input_noise for configuration in self.configurations)
        place = step - self._steps.start
        end = place + (1 if noisy else most)
        parts: list[Any] = [array[place:end] for array in self._ahead]
        stacked = Batch(*parts)
        if self.task.evens_lengths:
            stacked = stacked._replace(loss_weights=self._summed(stacked.loss_weights))
        if noisy:
            first: list[Any] = [array[0] for array in stacked]
            stacked = stacked._replace(inputs=self._with_noise(Batch(*first), step)[None])
        sums = [configuration.training.reduce == "sum" for configuration in self.configurations]
        found = _tensors(stacked)
        return (
            found._replace(divisors=self.batch_size * torch.tensor(sums, dtype=torch.float32)) if any(sums) else found
        )

    def _piece(self, pieces: Pieces, step: int) -> StackBatch:
        """Return the piece of every run's batch that a step takes."""
        piece, divisors, runs = pieces.of(step), None, len(self.configurations)
        if pieces.text is None:
            found, divisors = pieces.cut(self._whole(piece.batch), piece)
        else:
            parts: list[Any] = [np.stack([part] * runs) for part in pieces.of_text(piece)]
            found = Batch(*parts)
        if any(configuration.training.input_noise for configuration in self.configurations):
            found = found._replace(inputs=self._with_noise(found, step))
        sums = torch.tensor([configuration.training.reduce == "sum" for configuration in self.configurations])
        means = torch.zeros(runs) if divisors is None else torch.from_numpy(divisors)
        return _tensors(found)._replace(divisors=torch.where(sums, float(self.batch_size), means))

    def _whole(self, number: int) -> Batch:
        """Return the whole sequences of a batch of every run, by its number."""
        if self._ahead is None or number not in self._steps:
            self._make_ahead(number)
        assert self._ahead is not None
        place = number - self._steps.start
        one: list[Any] = [array[place : place + 1] for array in self._ahead]
        whole = Batch(*one)
        if self.task.evens_lengths:
            whole = whole._replace(loss_weights=self._summed(whole.loss_weights))
        parts: list[Any] = [array[0] for array in whole]
        return Batch(*parts)

    def _make_ahead(self, step: int) -> None:
        pieces = 1 if self.pieces is None else self.pieces.number
        last = max(step + 1, -(-self.configurations[0].training.max_steps // pieces))
        self._steps = range(step, min(step + self._room, last))
        seeds = [configuration.seed for configuration in self.configurations]
        steps = [one for one in self._steps for _ in seeds]
        made = self.task.training_batches(seeds * len(self._steps), steps, self.batch_size)
        apart: list[Any] = [array.reshape(len(self._steps), len(seeds), *array.shape[1:]) for array in made]
        self._ahead = Batch(*apart)
        size = sum(array.nbytes for array in self._ahead) // len(self._steps)
        # a task that makes them one by one may have a reason to make each at its step
        self._room = max(1, min(_FURTHEST, _AHEAD // max(1, size))) if self.task.makes_many else 1

    def _summed(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return loss weights, (steps, runs, …): where losses are summed over time, each prediction counts one."""
        sums = [configuration.training.reduce == "sum" for configuration in self.configurations]
        whole = np.array(sums).reshape(-1, *(1,) * (weights.ndim - 2))
        return np.where(whole, weights > 0, weights).astype(np.float32)

    def _with_noise(self, batch: Batch, step: int) -> NDArray[np.float32]:
        """Return inputs with each run's noise; steps after a sequence's end stay zero."""
        inputs = batch.inputs.copy()
        for own, lengths, configuration in zip(inputs, batch.lengths, self.configurations, strict=True):
            deviation = configuration.training.input_noise
            if deviation:
                random = generator(configuration.seed, "input noise", step)
                # not of the steps in which other runs alone have a sequence: they come last, so the rest stays the same
                own = own[: lengths.max()]
                noise = random.standard_normal(own.shape, np.float32) * np.float32(deviation)
                noise[np.arange(len(noise))[:, None] >= lengths] = 0
                noise[..., self.task.input_size :] = 0  # what stands beside the inputs
                own += noise
        return inputs

    def _masks(self, step: int, steps: int) -> list[Tensor] | None:
        rates = [configuration.model.dropout for configuration in self.configurations]
        if not any(rates) or self.template.rnn.num_layers == 1:
            return None
        drawn = [
            self.template.draw_masks(generator(configuration.seed, "dropout", step), rate, steps, self.batch_size)
            for configuration, rate in zip(self.configurations, rates, strict=True)
        ]
        return [torch.stack(masks) for masks in zip(*drawn, strict=True)]

    def _drawn(self, step: int, steps: int) -> list[Tensor] | None:
        """Return each run's masks within a step, each word of a generator of its own."""
        rnn = self.template.rnn
        words = drawn_of(rnn.variant)
        if not words:
            return None
        found = rnn.hidden_size * len(words), len(self.configurations), steps, self.batch_size
        columns = torch.empty((len(rnn.layers), *found[1:], found[0]))
        for number, configuration in enumerate(self.configurations):
            for place, word in enumerate(words):
                random = generator(configuration.seed, word.replace("_", " "), step)
                rate = getattr(configuration.model, word)
                mask = draw_columns(word, random, rate, len(rnn.layers), steps, self.batch_size, rnn.hidden_size)
                columns[:, number, ..., place * rnn.hidden_size : (place + 1) * rnn.hidden_size] = mask
        return list(columns.unbind())


class _Training(IterableDataset[StackBatch]):
    def __init__(self, data: StackData) -> None:
        self.data = data

    def __iter__(self) -> Iterator[StackBatch]:
        step = self.data.start
        while True:
            yield self.data.batch(step)
            step += 1


class EvaluationBatches(IterableDataset[StackBatch]):
    """The batches of validation or test, one after the other.

    Sequences of about the same length stand together, and a batch ends with its longest: what the others are padded
    with costs as much as what they hold. Where all are of one length they keep their order.

    Args:
        whole: all sequences of the split.
        packed: the task that unpacks those of a batch, where they are as it keeps them.
    """

    def __init__(self, whole: Batch, packed: Task | None = None) -> None:
        self.whole, self.packed = whole, packed

    def __iter__(self) -> Iterator[StackBatch]:
        lengths = self.whole.lengths
        order = np.argsort(lengths, kind="stable")
        ordered, start = lengths[order], 0
        alike = not len(order) or ordered[0] == ordered[-1]
        while start < len(order):
            longest = np.searchsorted(ordered, _LONGER * ordered[start] + _BESIDES, side="right")
            end = min(start + EVALUATION_BATCH, int(longest))
            if alike:
                part = self.whole.select(slice(start, end))
            else:
                part = _shortened(self.whole, max(1, int(ordered[end - 1]))).select(order[start:end])
            yield _tensors(part if self.packed is None else self.packed.unpack(part))
            start = end


def probe_batch(task: Task, sequences: int) -> StackBatch:
    """Return the first sequences of validation, up to the end of their longest."""
    few = task.packed_validation().select(slice(sequences))
    return _tensors(task.unpack(_shortened(few, max(1, int(few.lengths.max())))))


def _shortened(batch: Batch, steps: int) -> Batch:
    """Return a batch without the steps from some on, which hold no sequence."""
    inputs, lengths, *others = batch
    each = batch.loss_weights.ndim == 2  # of the other arrays has an axis of time
    return Batch(inputs[:steps], lengths, *(one[:steps] if each else one for one in others))


def _tensors(batch: Batch) -> StackBatch:
    arrays = (batch.targets, batch.loss_weights, batch.score_weights)
    inputs, targets, loss_weights, score_weights = (
        torch.from_numpy(np.ascontiguousarray(array)) for array in (batch.inputs, *arrays)
    )
    return StackBatch(inputs, torch.from_numpy(batch.lengths), targets, loss_weights, score_weights, None)
