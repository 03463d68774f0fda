"""Sequences taken piece by piece: truncated backpropagation with a carried state, and updates at every step of time.

A step of the optimiser belongs to a piece of a batch; which one follows from the number of the step, so that a run
resumes anywhere. With ``training.truncate=k`` a piece has k steps of time, and the next one begins with the state in
which it ended: BPTT(k; k) of Williams & Peng 1990, "An Efficient Gradient-Based Algorithm for On-Line Training of
Recurrent Network Trajectories". With ``training.update=step`` there is a piece for every step of time t: the k steps up
to t, of which only the prediction at t counts: BPTT(k; 1); without ``truncate`` all steps up to t.

    t             0 1 2 3 4 5 6
    truncate=3    1 1 1 2 2 2 3         the optimiser's steps
    and update=step, the piece of t=4: . . [2 3 4], from the state after step 1 as the piece before left it
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatelab.configuration import RunConfiguration
from gatelab.errors import UserError
from gatelab.tasks import Batch, FiniteTask, Task

__all__ = ["Piece", "Pieces", "pieces_of"]


class Piece(NamedTuple):
    """A piece of a batch, in steps of time."""

    batch: int
    """The batch, counted from 0; of a text how often it has been read."""
    start: int
    stop: int
    counted: int
    """The first step whose predictions count; those up to ``stop`` do."""
    kept: int
    """Steps from ``start`` after which stands the state that the next piece begins with."""

    @property
    def fresh(self) -> bool:
        """Whether it begins with zeros, at the beginning of its sequences."""
        return self.start == 0


class Pieces:
    """The pieces of the training sequences of runs that share a stack.

    Args:
        task: whose sequences are trained on.
        length: ``training.truncate``.
        every: whether there is a piece for every step of time.
        batch_size: sequences in a batch, or streams of a text.

    Attributes:
        steps: of time in a batch, or in each stream of a text.
        number: pieces of a batch.
        width: steps of time of a whole piece.

    Raises:
        UserError: a text that is too short for so many streams of such pieces.
    """

    def __init__(self, task: Task, length: int | None, batch_size: int, *, every: bool) -> None:
        self.task, self.batch_size, self.every = task, batch_size, every
        self.text = task.packed_training() if task.contiguous and isinstance(task, FiniteTask) else None
        if self.text is None:
            self.steps = int(task.training_batch(0, 0, batch_size).inputs.shape[0])
        else:
            self.steps = int(self.text.lengths.sum()) // batch_size
        if self.text is not None and length is not None and length > self.steps:
            raise UserError(
                f"training.truncate={length}: must be at most {self.steps}, the steps of each of "
                f"training.batch_size={batch_size} streams of the text of task '{task.name}'"
            )
        self.width = self.steps if length is None else min(length, self.steps)
        if every:
            self.number = self.steps
        else:
            # what is left of a text is less than a piece
            self.number = self.steps // self.width if self.text is not None else -(-self.steps // self.width)

    def of(self, step: int) -> Piece:
        """Return the piece of a step of the optimiser, counted from 0."""
        batch, place = divmod(step, self.number)
        if not self.every:
            start = place * self.width
            stop = min(start + self.width, self.steps)
            return Piece(batch, start, stop, start, stop - start)
        start = max(0, place + 1 - self.width)
        return Piece(batch, start, place + 1, place, max(0, place + 2 - self.width) - start)

    def cut(self, whole: Batch, piece: Piece) -> tuple[Batch, NDArray[np.float32]]:
        """Return a piece of a batch, whose arrays have a run axis in front, and what its losses are divided by.

        A prediction weighs what it would in the whole sequence, times the number of pieces.

        Returns:
            The piece, all of equal shape where there is one for every step; (runs,) divisors.
        """
        window = slice(piece.start, piece.start + (self.width if self.every else piece.stop - piece.start))
        weights = whole.loss_weights[:, window].copy()
        steps = np.arange(window.start, window.start + weights.shape[1])
        weights[:, (steps < piece.counted) | (steps >= piece.stop)] = 0
        total = whole.loss_weights.reshape(len(whole.loss_weights), -1).sum(1, dtype=np.float64)
        divisors = (total / self.number).astype(np.float32)
        lengths = (whole.lengths - piece.start).clip(0, piece.stop - piece.start)
        cut = Batch(whole.inputs[:, window], lengths, whole.targets[:, window], weights, whole.score_weights[:, window])
        return cut, divisors

    def of_text(self, piece: Piece) -> Batch:
        """Return a piece of the streams of a text, as one batch."""
        assert self.text is not None and isinstance(self.task, FiniteTask)
        inputs, targets = self._streams(self.text.inputs, piece), self._streams(self.text.targets, piece)
        lengths = np.full(self.batch_size, piece.stop - piece.start, np.int64)
        there: NDArray[Any] = np.zeros(inputs.shape[:2], np.bool_)
        there[: piece.stop - piece.start] = True
        counted = there.copy()
        counted[: piece.counted - piece.start] = False
        whole = self.task.unpack(Batch(inputs, lengths, targets, there, there))
        return whole._replace(loss_weights=counted.astype(np.float32))

    def _streams(self, packed: NDArray[Any], piece: Piece) -> NDArray[Any]:
        """Return a piece of the streams: (time, streams) of what lies (time, pieces of the file), time the fastest."""
        flat = packed.T.reshape(-1)[: self.steps * self.batch_size].reshape(self.batch_size, self.steps)
        width = self.width if self.every else piece.stop - piece.start
        return flat[:, piece.start : piece.start + width].T


def pieces_of(run: RunConfiguration) -> Pieces | None:
    """Return the pieces that a run is trained on; None where a step of the optimiser takes whole sequences."""
    training = run.training
    every = training.update == "step"
    if training.truncate is None and not every:
        return None
    return Pieces(run.task, training.truncate, training.batch_size, every=every)
