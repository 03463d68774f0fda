"""check_task finds each kind of broken promise, in tasks that are whole but for one thing."""

from typing import ClassVar, Literal

import numpy as np
import pytest

from gatelab.tasks import Batch
from gatelab.tasks.checking import TaskError, check_task
from gatelab.tasks.losses import Measure
from tests.outside.first_bit import Own


class Whole(Own):
    """Say at every step which bit came first."""

    readout: ClassVar[Literal["last", "every"]] = "every"

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        lengths = random.integers(20, 25, batch_size)
        there = np.arange(25)[:, None] < lengths
        bits = random.integers(0, 2, (25, batch_size)) * there
        weights = there.astype(np.float32)
        targets = np.broadcast_to(bits[0], bits.shape).copy()
        return Batch(bits[..., None].astype(np.float32), lengths, targets, weights, weights.copy())


class Doubles(Whole):
    def draw(self, random, batch_size):
        batch = super().draw(random, batch_size)
        return batch._replace(inputs=batch.inputs.astype(np.float64))


class NoWeight(Whole):
    def draw(self, random, batch_size):
        batch = super().draw(random, batch_size)
        return batch._replace(score_weights=0 * batch.score_weights)


class Loud(Whole):
    def draw(self, random, batch_size):
        batch = super().draw(random, batch_size)
        return batch._replace(inputs=batch.inputs + 1)


class Unseeded(Whole):
    def training_batch(self, seed, step, batch_size):
        return self.draw(np.random.default_rng(), batch_size)


class Constant(Whole):
    def training_batch(self, seed, step, batch_size):
        return self.draw(np.random.default_rng(0), batch_size)


class Ragged(Whole):
    def draw(self, random, batch_size):
        batch = super().draw(random, batch_size)
        longest = batch.lengths.max()
        cut = {name: getattr(batch, name)[:longest] for name in ("inputs", "targets", "loss_weights", "score_weights")}
        return batch._replace(**cut)


class Shared(Whole):
    def test(self):
        return self.validation()


class Summed(Whole):
    def losses(self, outputs, targets):
        return super().losses(outputs, targets).sum(0)


class Flat(Whole):
    loss: ClassVar[Measure] = lambda outputs, targets: 0 * outputs.sum(-1)


class Wrong(Whole):
    higher_is_better: ClassVar[bool] = False


class Nameless(Whole):
    source: ClassVar[str] = ""


def test_a_whole_task_passes():
    check_task(Whole())


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (Doubles, r"training: inputs are float64 \(25, 3, 1\); must be float32 \(time, batch, input_size=1\)"),
        (NoWeight, "training: score_weights must be 0 or more, and not all 0"),
        (Loud, "training: inputs after the end of a sequence must be 0"),
        (Unseeded, r"training_batch\(seed, step, batch_size\) must give the same batch at every call"),
        (Constant, "training_batch gives the same batch for every seed and step"),
        (Ragged, "all training batches must have the same shapes, whatever the seed and step"),
        (Shared, "validation and test have 16 sequences in common; must have none"),
        (Summed, r"losses have the shape \(3,\); must be \(25, 3\), as their weights"),
        (Flat, "the gradient of losses must be finite, and not 0 everywhere"),
        (Wrong, "perfect=1 and chance=0.5 do not fit higher_is_better=false"),
        (Nameless, "source is empty"),
    ],
)
def test_a_broken_promise_is_named(kind, line):
    with pytest.raises(TaskError, match=rf"^task \S+:{kind.__name__}: {line}"):
        check_task(kind())


def test_few_sequences_may_coincide_if_one_says_so():
    check_task(Shared(), apart=False)
