"""The squared error of logistic outputs, sets judged by the most active, and fixed sets of training sequences."""

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.tasks import TASKS, task_from_mapping
from gatelab.tasks.chosen_loss import ClassTask, NumberTask, SetTask
from gatelab.tasks.formal.reber import EmbeddedReber
from gatelab.tasks.held_out import digests
from gatelab.tasks.memory.long_lag import NoiseFreeLongLag
from gatelab.tasks.task import GeneratedTask
from tests.tasks.examples import SMALL


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def made(name, **fields):
    return task_from_mapping({**SMALL[name], "name": name, **fields})


KINDS = {
    kind: [name for name in sorted(SMALL) if issubclass(TASKS[name], kind)] for kind in (ClassTask, SetTask, NumberTask)
}


def drawn(task):
    """Return outputs and targets of five sequences, as float64."""
    batch = task.training_batch(0, 0, 5)
    shape = (*batch.loss_weights.shape, task.output_size)
    return np.linspace(-3, 3, int(np.prod(shape))).reshape(shape) * np.cos(np.arange(task.output_size)), batch.targets


@pytest.mark.parametrize("name", [*KINDS[ClassTask], *KINDS[SetTask]])
def test_squared_is_half_the_squared_error_of_logistic_outputs(name):
    task = made(name, loss="squared")
    outputs, targets = drawn(task)
    wanted = np.eye(task.output_size)[targets] if issubclass(TASKS[name], ClassTask) else targets
    expected = 0.5 * ((wanted - sigmoid(outputs)) ** 2).sum(-1)
    found = task.losses(torch.from_numpy(outputs), torch.from_numpy(targets))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    scores = [one.scores(torch.from_numpy(outputs), torch.from_numpy(targets)) for one in (task, made(name))]
    assert torch.equal(*scores)


@pytest.mark.parametrize("name", KINDS[NumberTask])
def test_logistic_outputs_are_trained_and_judged(name):
    task, linear = made(name, output="logistic"), made(name)
    outputs, targets = drawn(task)
    wanted = torch.from_numpy(targets.astype(float))
    squashed = torch.from_numpy(sigmoid(outputs))
    torch.testing.assert_close(task.losses(torch.from_numpy(outputs), wanted), linear.losses(squashed, wanted))
    right = torch.logit(wanted[..., -1:].clamp(1e-6, 1 - 1e-6))
    assert task.scores(right, wanted).all()


def test_other_tasks_have_no_choice():
    with pytest.raises(UserError, match=r"^unknown key 'task\.loss'; allowed: name, data_seed"):
        task_from_mapping({"name": "adding", "loss": "squared"})
    with pytest.raises(UserError, match=r"^task\.loss=huber: must be 'cross_entropy' or 'squared'$"):
        task_from_mapping({"name": "embedded_reber", "loss": "huber"})


def test_a_set_is_right_if_its_members_are_the_most_active():
    task = EmbeddedReber(right="most_active", judged="outer")
    targets = torch.tensor([1.0, 0, 0, 1, 0, 0, 0])
    for outputs, right in (
        ([-1.0, -2, -3, -1.5, -2, -9, -2], 1),  # all below 0
        ([5.0, 4, 0, 4, 0, 0, 0], 0),  # as active as another
        ([5.0, 4, 0, 3, 0, 0, 0], 0),
    ):
        assert task.scores(torch.tensor(outputs), targets).item() == right
        assert EmbeddedReber().scores(torch.tensor(outputs), targets).item() == 0


def test_long_lag_judged_by_all_outputs():
    task = NoiseFreeLongLag(length=3, distractor_symbols=2, judged="outputs")
    targets = torch.tensor([[0], [1], [3]])
    logit = float(np.log(0.76 / 0.24))  # within 0.25 of 0 and 1
    outputs = torch.full((3, 1, 4), -logit)
    outputs[torch.arange(3), 0, targets[:, 0]] = logit
    assert task.scores(outputs, targets)[:, 0].tolist() == [1, 1, 1]
    outputs[1, 0, 2] = -1.0  # 0.27 off
    assert task.scores(outputs, targets)[:, 0].tolist() == [1, 0, 0]
    assert task.chance == 0.0


@pytest.mark.parametrize("name", sorted(name for name in SMALL if issubclass(TASKS[name], GeneratedTask)))
def test_a_fixed_set_is_drawn_from(name):
    task = made(name, training_size=7)
    fixed = set(digests(task.training_set()))
    batches = [task.training_batch(seed, step, 3) for seed in range(2) for step in range(8)]
    seen = {digest for batch in batches for digest in digests(batch)}
    assert len(task.training_set().lengths) == 7
    # 48 draws of 7: a given one is missed with a chance of 6e-4
    assert seen <= fixed and len(seen) >= len(fixed) - 1
    assert set(digests(made(name, training_size=7, data_seed=1).training_set())) != fixed or name == "timing_pfg"
    free = made(name)
    assert {batch.inputs.shape for batch in batches} == {free.training_batch(0, 0, 3).inputs.shape}


def test_what_is_in_the_set_is_in_no_other_part():
    task = EmbeddedReber(training_size=256, validation_size=100, test_size=100)
    known = set(digests(task.training_set()))
    for part in (task.validation(), task.test()):
        assert len(part.lengths) == 100
        assert not known & set(digests(part))
    assert not list(task.remarks())
    # without: short strings are many
    assert known & set(digests(EmbeddedReber(validation_size=100).validation()))


def test_a_task_of_few_sequences_says_that_they_are_in_both():
    task = NoiseFreeLongLag(length=5, distractor_symbols=4, distractors="fixed", training_size=8, test_size=3)
    assert "3 of 3 sequences of test are in training too: few others exist" in list(task.remarks())
