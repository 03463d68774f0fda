"""Tasks with a fixed set of training sequences, in a new order in each epoch."""

from __future__ import annotations

from abc import abstractmethod

from gatelab.errors import UserError
from gatelab.randomness import generator
from gatelab.tasks.task import Batch, Task

__all__ = ["FiniteTask"]


class FiniteTask(Task):
    """A task whose training sequences are a fixed set, used once per epoch in a new order.

    An epoch has ``n // batch_size`` batches: an incomplete last batch would have another shape, so it is dropped,
    and which sequences are left over changes from epoch to epoch. The position follows from the step alone.

    A task whose data are large keeps them packed in small types; only the sequences of a batch are then unpacked.
    """

    @abstractmethod
    def training(self) -> Batch:
        """Return all training sequences."""

    def training_set(self) -> Batch | None:
        return self.training()

    def packed_training(self) -> Batch:
        """Return all training sequences in their stored types."""
        return self.training()

    def batches_per_epoch(self, batch_size: int) -> int:
        """Return the number of batches in an epoch.

        Raises :class:`UserError` if one batch would hold more sequences than there are.
        """
        sequences = len(self.packed_training().lengths)
        if batch_size > sequences:
            raise UserError(
                f"training.batch_size={batch_size}: must be at most {sequences}, "
                f"the number of training sequences of task '{self.name}'"
            )
        return sequences // batch_size

    def training_batch(self, seed: int, step: int, batch_size: int) -> Batch:
        epoch, position = divmod(step, self.batches_per_epoch(batch_size))
        training = self.packed_training()
        order = generator(seed, "order", epoch).permutation(len(training.lengths))
        return self.unpack(training.select(order[position * batch_size : (position + 1) * batch_size]))
