"""The batches of a stack: shapes, lengths and dropout masks."""

import numpy as np
import pytest
import torch

from gatelab.tasks import Batch
from gatelab.training.stack import network
from gatelab.training.stack_batches import EVALUATION_BATCH, EvaluationBatches, StackData, probe_batch
from tests.training.examples import COPYING, DIGITS, chorales, configuration


def stack_data(runs_dir, runs=3, **sections):
    configurations = [configuration(runs_dir, seed=seed, **sections) for seed in range(runs)]
    return StackData(configurations, network(configurations[0]))


def test_a_training_batch_has_a_leading_run_axis(tmp_path):
    batch = stack_data(tmp_path).batch(0)
    assert batch.inputs.shape == (3, 8, 6, 2)
    assert batch.targets.shape == (3, 6, 1)
    assert batch.loss_weights.shape == batch.score_weights.shape == (3, 6)
    assert batch.masks is None


def test_one_prediction_at_every_step_has_a_target_at_every_step(tmp_path):
    batch = stack_data(tmp_path, task=COPYING).batch(0)
    assert batch.inputs.shape == (3, 7, 6, 6)
    assert batch.targets.shape == batch.loss_weights.shape == (3, 7, 6)


def test_lengths_are_handed_over_whatever_the_batch_holds(tmp_path):
    """Most of the chorales fill the time axis; in 20 batches of two there are both kinds."""
    data = stack_data(tmp_path, runs=1, task=chorales(tmp_path), training={"batch_size": 2})
    batches = [data.batch(step) for step in range(20)]
    assert {tuple(batch.lengths.shape) for batch in batches} == {(1, 2)}
    assert {bool((batch.lengths == batch.inputs.shape[1]).all()) for batch in batches} == {True, False}
    assert stack_data(tmp_path).batch(0).lengths.tolist() == [[8] * 6] * 3


def test_evaluation_batches_have_no_run_axis_and_lose_nothing(tmp_path):
    data = stack_data(tmp_path, task={**DIGITS, "validation_size": 300})
    batches = list(data.val_dataloader())
    assert [batch.inputs.shape for batch in batches] == [(64, EVALUATION_BATCH, 1), (64, 44, 1)]
    whole = data.task.validation()
    assert torch.equal(torch.cat([batch.inputs for batch in batches], 1), torch.from_numpy(whole.inputs))
    assert torch.equal(torch.cat([batch.targets for batch in batches]), torch.from_numpy(whole.targets))


def test_sequences_of_about_one_length_are_evaluated_together_without_padding_to_the_longest_of_all():
    lengths = np.array([60, 3, 40, 300, 5, 18, 3, 100])
    inputs = np.arange(300 * 8, dtype=np.float32).reshape(300, 8, 1) + 1
    mask = (np.arange(300)[:, None] < lengths).astype(np.float32)
    inputs *= mask[..., None]
    batches = list(EvaluationBatches(Batch(inputs, lengths, -inputs, mask, 2 * mask)))
    # at most 1.5 times and 16 steps longer than the shortest
    assert [batch.lengths.tolist() for batch in batches] == [[3, 3, 5, 18], [40, 60], [100], [300]]
    assert [batch.inputs.shape for batch in batches] == [(18, 4, 1), (60, 2, 1), (100, 1, 1), (300, 1, 1)]
    for batch, places in zip(batches, [[1, 6, 4, 5], [2, 0], [7], [3]], strict=True):
        own = torch.from_numpy(inputs[: len(batch.inputs), places])
        assert torch.equal(batch.inputs, own) and torch.equal(batch.targets, -own)
        assert torch.equal(batch.score_weights, 2 * (own[..., 0] > 0)) and batch.loss_weights.shape == own.shape[:2]


def test_one_prediction_for_each_sequence_stays_with_it_where_lengths_differ():
    lengths, targets = np.array([50, 2, 90, 4]), np.array([0, 1, 2, 3])
    weights = np.arange(4, dtype=np.float32)
    batches = list(EvaluationBatches(Batch(np.zeros((90, 4, 2), np.float32), lengths, targets, weights, weights)))
    assert [batch.targets.tolist() for batch in batches] == [[1, 3], [0, 2]]
    assert [batch.loss_weights.tolist() for batch in batches] == [[1, 3], [0, 2]]
    assert [batch.inputs.shape for batch in batches] == [(4, 2, 2), (90, 2, 2)]


def test_what_a_task_keeps_packed_is_unpacked_batch_by_batch(tmp_path):
    task = stack_data(tmp_path, task=chorales(tmp_path)).task
    packed, whole = EvaluationBatches(task.packed_validation(), task), EvaluationBatches(task.validation())
    assert task.packed_validation().inputs.dtype == np.uint8
    for one, other in zip(packed, whole, strict=True):
        for part, same in zip(one[:5], other[:5], strict=True):
            assert part.dtype == same.dtype and torch.equal(part, same)


def test_gates_are_measured_on_the_first_sequences_as_they_stand(tmp_path):
    task = stack_data(tmp_path, task=chorales(tmp_path)).task
    probe, whole = probe_batch(task, 2), task.validation()
    assert probe.lengths.tolist() == whole.lengths[:2].tolist()
    assert torch.equal(probe.inputs, torch.from_numpy(whole.inputs[: whole.lengths[:2].max(), :2]))


def test_a_mask_keeps_its_share_and_makes_up_for_the_rest(tmp_path):
    model = {"num_layers": 3, "hidden_size": 50, "dropout": 0.25}
    masks = stack_data(tmp_path, model=model).batch(0).masks
    assert [mask.shape for mask in masks] == [(3, 8, 6, 50)] * 2
    for mask in masks:
        assert mask.unique().tolist() == [0.0, pytest.approx(1 / 0.75)]
        assert float((mask > 0).float().mean()) == pytest.approx(0.75, abs=0.02)
    assert not torch.equal(masks[0], masks[1])


def test_a_run_without_dropout_beside_one_with_it_keeps_everything(tmp_path):
    model = {"num_layers": 2, "hidden_size": 5}
    runs = [configuration(tmp_path, model={**model, "dropout": rate}) for rate in (0.0, 0.5)]
    (mask,) = StackData(runs, network(runs[0])).batch(0).masks
    assert bool((mask[0] == 1).all())
    assert not bool((mask[1] == 1).any())


def test_dropout_of_a_single_layer_is_no_dropout(tmp_path):
    assert stack_data(tmp_path, model={"dropout": 0.5}).batch(0).masks is None


@pytest.mark.parametrize("task", [COPYING, DIGITS], ids=["generated", "finite"])
def test_a_batch_does_not_depend_on_the_step_at_which_batches_were_made_ahead(tmp_path, task):
    sections = {"task": task, "training": {"batch_size": 6, "max_steps": 150, "input_noise": 0.1}}
    forwards, anew = stack_data(tmp_path, **sections), stack_data(tmp_path, **sections)
    for step in range(150):
        batch = forwards.batch(step)
        if step in (1, 63, 64, 65, 149):
            assert all(map(torch.equal, batch[:5], anew.batch(step)[:5]))
            assert all(map(torch.equal, batch[:5], stack_data(tmp_path, **sections).batch(step)[:5]))
            alone = stack_data(tmp_path, runs=1, **sections).batch(step)
            assert torch.equal(batch.inputs[0], alone.inputs[0])
