"""Every generated task can be solved from its inputs, and from nothing else: no answer leaks."""

import numpy as np
import pytest
import torch

from gatelab.randomness import generator
from gatelab.tasks import TASKS, FiniteTask, GeneratedTask, LengthTask
from tests.tasks.examples import SMALL
from tests.tasks.oracles import ORACLES

STANDARD_ERRORS = 5
GENERATED = sorted(name for name, kind in TASKS.items() if issubclass(kind, GeneratedTask))


def sized(name, size, **changes):
    sizes = {} if issubclass(TASKS[name], FiniteTask) else {"validation_size": size, "test_size": size}
    return TASKS[name].model_validate({**SMALL[name], **sizes, **changes})


def scored(task, batch, outputs, targets):
    scores = task.scores(torch.from_numpy(outputs), torch.from_numpy(targets)).numpy().astype(float)
    return scores, batch.score_weights.astype(float)


def mean(scores, weights):
    return float((weights * scores).sum() / weights.sum())


def test_every_generated_task_has_an_oracle():
    assert set(GENERATED) <= set(ORACLES)


@pytest.mark.parametrize("name", sorted(ORACLES))
@pytest.mark.parametrize("part", ["training", "validation", "test"])
def test_an_oracle_scores_perfect(name, part):
    task = sized(name, 200)
    batch = task.training_batch(0, 0, 200) if part == "training" else getattr(task, part)()
    outputs = ORACLES[name](task, batch)
    assert outputs.dtype == np.float32
    assert outputs.shape == (*batch.loss_weights.shape, task.output_size)
    assert mean(*scored(task, batch, outputs, batch.targets)) == pytest.approx(task.perfect, abs=1e-6)


@pytest.mark.parametrize("name", sorted(name for name in TASKS if issubclass(TASKS[name], GeneratedTask)))
def test_with_the_answers_of_other_sequences_an_oracle_falls_to_chance(name):
    task = sized(name, 2000)
    batch = task.validation()
    size = len(batch.lengths)
    # each sequence is judged by the answers of the next one in a random order, never by its own
    order = generator(0, "shuffled").permutation(size)
    other = np.empty(size, np.int64)
    other[order] = np.roll(order, 1)
    shuffled = batch.select(other)
    mixed = batch._replace(targets=shuffled.targets, score_weights=batch.score_weights * shuffled.score_weights)
    scores, weights = scored(task, mixed, ORACLES[name](task, batch), mixed.targets)
    of_sequence = (scores * weights).reshape(-1, size).sum(0) / np.maximum(weights.reshape(-1, size).sum(0), 1e-9)
    judged = weights.reshape(-1, size).sum(0) > 0
    standard_error = of_sequence[judged].std() / np.sqrt(judged.sum())
    sign = 1 if task.higher_is_better else -1
    assert sign * (mean(scores, weights) - task.chance) <= STANDARD_ERRORS * standard_error


@pytest.mark.parametrize("name", sorted(name for name in TASKS if "test_length" in TASKS[name].model_fields))
def test_a_length_of_its_own_for_the_test_alone(name):
    task = TASKS[name].model_validate(SMALL[name])
    assert isinstance(task, LengthTask)
    longer = TASKS[name].model_validate({**SMALL[name], "test_length": 2 * task.length})
    assert isinstance(longer, LengthTask)
    assert all(np.array_equal(a, b) for a, b in zip(task.validation(), longer.validation(), strict=True))
    assert all(
        np.array_equal(a, b) for a, b in zip(task.training_batch(0, 0, 4), longer.training_batch(0, 0, 4), strict=True)
    )
    assert longer.test().lengths.max() > task.test().lengths.max()
    outputs = ORACLES[name](longer.of_test(), longer.test())
    assert mean(*scored(longer, longer.test(), outputs, longer.test().targets)) == pytest.approx(task.perfect, abs=1e-6)
