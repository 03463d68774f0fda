"""Many random streams at once are numpy's generators, and batches made at once are those made one by one."""

import numpy as np
import pytest

from gatelab.randomness import generator
from gatelab.tasks import TASKS, streams
from gatelab.tasks.streams import Streams
from tests.tasks.examples import SMALL

SEEDS = [0, 1, 7, 2**31, 2**32, 2**40 + 3, 2**63, 12345678901234567]
INDICES = [0, 3, 2**33, 7, 1, 0, 2**63, 9]


def numbers(random, stack):
    """Draws of all kinds, in an order in which halves of words are left over between them."""
    draws = [
        lambda one: one.random((3, 5), np.float32),
        lambda one: one.integers(0, 7, (3,)),
        lambda one: one.random(3),
        lambda one: one.integers(5, 6, 4),
        # of three numbers one is drawn again
        lambda one: one.integers(-3, 2**31 + 2**30, (9, 11)),
        lambda one: one.integers(0, 2**32 - 1, 5),
        lambda one: one.random(1, np.float32),
    ]
    return [stack([draw(one) for one in random]) for _ in range(3) for draw in draws]


@pytest.mark.parametrize("compiled", [True, False])
def test_the_numbers_are_those_of_numpy(monkeypatch, compiled):
    if not compiled:
        monkeypatch.setattr(streams, "_code", lambda: None)
    many = numbers([Streams(SEEDS, "batch", INDICES)], lambda drawn: drawn[0])
    each = [generator(seed, "batch", index) for seed, index in zip(SEEDS, INDICES, strict=True)]
    for found, expected in zip(many, numbers(each, np.stack), strict=True):
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)


def test_a_seed_of_more_than_64_bits_is_numpys_too():
    found = Streams([2**64, 5], "batch", [1, 2]).random(4)
    assert np.array_equal(found, [generator(2**64, "batch", 1).random(4), generator(5, "batch", 2).random(4)])


def test_a_range_that_is_not_made_of_half_a_word_is_refused():
    for low, high in ((0, 2**32), (3, 3)):
        with pytest.raises(ValueError, match="integers from"):
            Streams([0], "batch", [0]).integers(low, high, 2)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_batches_made_at_once_are_those_made_one_by_one(name):
    task = TASKS[name].model_validate(SMALL[name])
    seeds, steps = [0, 3, 0, 2**35], [0, 1, 5, 2]
    many = task.training_batches(seeds, steps, 3)
    each = [task.training_batch(seed, step, 3) for seed, step in zip(seeds, steps, strict=True)]
    for place, found in enumerate(map(np.asarray, many)):
        parts = [np.asarray(batch[place]) for batch in each]
        assert found.dtype == parts[0].dtype
        assert np.array_equal(found, np.stack(parts))
