"""Every task through the same questions: shapes, determinism, masks, and losses that vmap can lift."""

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.randomness import generator
from gatelab.tasks import TASKS, Batch, FiniteTask, GeneratedTask
from gatelab.tasks.checking import QUESTIONS, same, sequences
from tests.tasks.examples import SMALL

BATCH_SIZE = 3
FLOAT32_TOLERANCE = 1e-6  # relative: a few roundings


def random_outputs(task, batch, *runs):
    """Return logits of the shape that the readout gives, for some runs."""
    shape = (*runs, *batch.loss_weights.shape, task.output_size)
    return torch.from_numpy(generator(0, "outputs").normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_task_keeps_its_promises(task, question):
    assert list(QUESTIONS[question](task, BATCH_SIZE)) == []


def test_finite_data_are_no_longer_than_their_longest_sequence(task):
    for batch in (task.validation(), task.test()) if isinstance(task, FiniteTask) else ():
        assert batch.lengths.max() == len(batch.inputs)


def test_other_seeds_and_steps_give_other_batches(task):
    batches = [task.training_batch(seed, step, BATCH_SIZE) for seed, step in ((0, 0), (0, 1), (1, 0), (2, 0), (0, 2))]
    # four tiny chorales make so few batches that two can be the same
    differ = any if task.name == "chorales" else all
    assert differ(not same(batches[0], other) for other in batches[1:])


def test_the_seed_of_a_run_that_equals_the_data_seed_repeats_nothing():
    for name, kind in TASKS.items():
        if not issubclass(kind, GeneratedTask):
            continue
        small = {**SMALL[name], "validation_size": 8, "test_size": 8}
        task, other = (kind.model_validate({**small, "data_seed": seed}) for seed in (3, 4))
        training = task.training_batch(3, 0, 8)
        assert not same(training, task.validation())
        assert not same(training, task.test())
        assert not same(task.validation(), other.validation())


@pytest.mark.parametrize("shared_targets", [True, False])
@pytest.mark.parametrize("measure", ["losses", "scores"])
def test_vmap_over_runs_equals_a_loop(task, measure, shared_targets):
    runs = 4
    batches = [task.training_batch(seed, 0, BATCH_SIZE) for seed in range(runs)]
    outputs = random_outputs(task, batches[0], runs)
    targets = torch.from_numpy(np.stack([batches[0 if shared_targets else run].targets for run in range(runs)]))
    function = getattr(task, measure)
    expected = torch.stack([function(outputs[run], targets[run]) for run in range(runs)])
    if shared_targets:
        lifted = torch.func.vmap(function, in_dims=(0, None))(outputs, targets[0])
    else:
        lifted = torch.func.vmap(function)(outputs, targets)
    torch.testing.assert_close(lifted, expected, rtol=FLOAT32_TOLERANCE, atol=FLOAT32_TOLERANCE)


@pytest.mark.parametrize("measure", ["losses", "scores"])
def test_a_run_is_measured_bit_for_bit_alike_alone_and_in_a_stack(task, measure):
    runs = 5
    batches = [task.training_batch(seed, 0, BATCH_SIZE) for seed in range(runs)]
    outputs = random_outputs(task, batches[0], runs)
    targets = torch.from_numpy(np.stack([batch.targets for batch in batches]))
    function = torch.func.vmap(getattr(task, measure))
    alone = torch.cat([function(outputs[run : run + 1], targets[run : run + 1]) for run in range(runs)])
    torch.testing.assert_close(function(outputs, targets), alone, rtol=0, atol=0)


def test_gradients_of_losses_through_vmap_are_finite(task):
    batch = task.training_batch(0, 0, BATCH_SIZE)
    targets = torch.from_numpy(batch.targets)
    outputs = (100 * random_outputs(task, batch, 2)).requires_grad_()
    torch.func.vmap(task.losses, in_dims=(0, None))(outputs, targets).sum().backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    assert outputs.grad.abs().sum() > 0


def test_select_takes_sequences_in_the_order_asked_for(task):
    batch = task.training_batch(0, 0, BATCH_SIZE)
    chosen = batch.select(np.array([2, 0]))
    assert isinstance(chosen, Batch)
    np.testing.assert_array_equal(chosen.inputs, np.stack([batch.inputs[:, 2], batch.inputs[:, 0]], 1))
    np.testing.assert_array_equal(chosen.lengths, batch.lengths[[2, 0]])
    axis = 0 if task.readout == "last" else 1
    for name in ("targets", "loss_weights", "score_weights"):
        np.testing.assert_array_equal(getattr(chosen, name), getattr(batch, name).take([2, 0], axis=axis))
    assert same(batch.select(slice(0, 2)), batch.select(np.arange(2)))


def test_an_epoch_shows_every_training_sequence_at_most_once(tiny_chorales):
    task = tiny_chorales
    assert task.batches_per_epoch(1) == 4
    assert task.batches_per_epoch(3) == 1
    whole = sequences(task.training())
    for epoch in range(3):
        shown = [sequences(task.training_batch(0, 4 * epoch + position, 1)) for position in range(4)]
        assert set.union(*shown) == whole
    orders = {
        tuple(task.training_batch(0, 4 * epoch + position, 1).inputs.tobytes() for position in range(4))
        for epoch in range(9)
    }
    assert len(orders) > 1


def test_a_batch_larger_than_the_training_set_is_refused(tiny_chorales):
    with pytest.raises(UserError, match=r"^training\.batch_size=5: must be at most 4, .* of task 'chorales'$"):
        tiny_chorales.training_batch(0, 0, 5)
