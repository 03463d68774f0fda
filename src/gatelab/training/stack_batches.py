"""The batches of a stack: each run's own training batches side by side, validation and test shared by all."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from gatelab.configuration import RunConfiguration
from gatelab.layers.network import Network
from gatelab.randomness import generator
from gatelab.tasks import Batch

__all__ = ["EVALUATION_BATCH", "EvaluationBatches", "StackBatch", "StackData"]

EVALUATION_BATCH = 256
"""Sequences in a batch of validation and test, the same for every stack: results must not depend on other runs."""


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

    def moved(self, device: torch.device) -> "StackBatch":
        """Return a batch of validation or test on a device."""
        return self._replace(**{name: part.to(device) for name, part in self._asdict().items() if part is not None})

    def first(self, sequences: int, device: torch.device) -> "StackBatch":
        """Return the first sequences of a batch without run axis, on a device."""
        per_sequence = (slice(None),) * (self.loss_weights.dim() - 1) + (slice(sequences),)
        parts = (self.targets, self.loss_weights, self.score_weights)
        targets, loss_weights, score_weights = (part[per_sequence].to(device) for part in parts)
        inputs, lengths = self.inputs[:, :sequences].to(device), self.lengths[:sequences].to(device)
        return StackBatch(inputs, lengths, targets, loss_weights, score_weights, None)


class StackData(LightningDataModule):
    """The data of one stack.

    Args:
        configurations: the runs.
        template: their network, for the shape of dropout.

    Attributes:
        start: the step, counted from 0, at which training begins.
    """

    def __init__(self, configurations: Sequence[RunConfiguration], template: Network) -> None:
        super().__init__()
        self.configurations = list(configurations)
        self.template = template
        self.task = configurations[0].task
        self.batch_size = configurations[0].training.batch_size
        self.start = 0

    def train_dataloader(self) -> DataLoader[StackBatch]:
        """Return the endless training batches."""
        return DataLoader(_Training(self), batch_size=None)

    def val_dataloader(self) -> DataLoader[StackBatch]:
        """Return the validation batches."""
        return DataLoader(EvaluationBatches(self.task.validation()), batch_size=None)

    def test_dataloader(self) -> DataLoader[StackBatch]:
        """Return the test batches. Called once, when every run's best checkpoint is known."""
        return DataLoader(EvaluationBatches(self.task.test()), batch_size=None)

    def batch(self, step: int) -> StackBatch:
        """Return the training batches of a step, counted from 0: each a function of its run's seed and the step."""
        size = self.batch_size
        batches = [_batch(configuration, step, size) for configuration in self.configurations]
        stacked = Batch(*(np.stack(arrays) for arrays in zip(*batches, strict=True)))
        found = _tensors(stacked)._replace(masks=self._masks(step, stacked.inputs.shape[1]))
        sums = [configuration.training.reduce == "sum" for configuration in self.configurations]
        return found._replace(divisors=size * torch.tensor(sums, dtype=torch.float32)) if any(sums) else found

    def _masks(self, step: int, steps: int) -> list[Tensor] | None:
        rates = [configuration.model.dropout for configuration in self.configurations]
        if not any(rates) or self.template.rnn.num_layers == 1:
            return None
        drawn = [
            self.template.draw_masks(generator(configuration.seed, "dropout", step), rate, steps, self.batch_size)
            for configuration, rate in zip(self.configurations, rates, strict=True)
        ]
        return [torch.stack(masks) for masks in zip(*drawn, strict=True)]


def _batch(configuration: RunConfiguration, step: int, size: int) -> Batch:
    """Return the training batch of one run, with the noise on its inputs; steps after a sequence's end stay zero.

    If losses are summed over the steps, and the task gives each sequence the weight one, each prediction has it.
    """
    batch, deviation = (
        configuration.task.training_batch(configuration.seed, step, size),
        configuration.training.input_noise,
    )
    if configuration.training.reduce == "sum" and configuration.task.evens_lengths:
        batch = batch._replace(loss_weights=(batch.loss_weights > 0).astype(np.float32))
    if not deviation:
        return batch
    random = generator(configuration.seed, "input noise", step)
    noise = random.standard_normal(batch.inputs.shape, np.float32) * np.float32(deviation)
    noise[np.arange(len(noise))[:, None] >= batch.lengths] = 0
    return batch._replace(inputs=batch.inputs + noise)


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

    Args:
        batch: all sequences of the split.
    """

    def __init__(self, batch: Batch) -> None:
        self.whole = batch

    def __iter__(self) -> Iterator[StackBatch]:
        for start in range(0, len(self.whole.lengths), EVALUATION_BATCH):
            yield _tensors(self.whole.select(slice(start, start + EVALUATION_BATCH)))


def _tensors(batch: Batch) -> StackBatch:
    arrays = (batch.targets, batch.loss_weights, batch.score_weights)
    inputs, targets, loss_weights, score_weights = (
        torch.from_numpy(np.ascontiguousarray(array)) for array in (batch.inputs, *arrays)
    )
    return StackBatch(inputs, torch.from_numpy(batch.lengths), targets, loss_weights, score_weights, None)
