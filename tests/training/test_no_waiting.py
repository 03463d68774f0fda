"""Steps on a device ask it for no number: an answer would wait for all that it has to do.

Tensors on "meta" have no numbers, and refuse whoever asks for one; no GPU is needed for that.
"""

import pytest
import torch

from gatelab.training import unread_health
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackData
from gatelab.training.stack_module import StackModule
from tests.training.examples import COPYING, OPTIMIZERS, configuration, optimizer

MAJORITY = {"name": "majority", "length": 9, "validation_size": 20, "test_size": 20}

TOKENS = {"name": "mqar", "length": 16, "vocabulary": 16, "pairs": 2, "validation_size": 20, "test_size": 20}


def stack(tmp_path, **sections):
    runs = [configuration(tmp_path, seed=seed, **sections) for seed in range(2)]
    template = network(runs[0])
    module = StackModule(runs, template, initial_weights(runs, template)).to("meta")
    return module, StackData(runs, template)


def steps_without_asking(tmp_path, count=2, **sections):
    sections["training"] = {"max_steps": 40, "validate_every": 20, **sections.get("training", {})}
    module, data = stack(tmp_path, **sections)
    for step in range(count):
        module.take_step(data.batch(step).moved(module.device))
    assert module.taken == count
    assert [progress.steps for progress in module.progress] == [0, 0]
    return module


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_optimiser_asks(tmp_path, name):
    steps_without_asking(tmp_path, optimizer=optimizer(name, 0.01, 0.1))


@pytest.mark.parametrize("variant", ["lstm", "gru", "layer_norm_lstm", "on_lstm", "mlstm", "lru"])
@pytest.mark.parametrize("task", [COPYING, MAJORITY], ids=["every", "last"])
def test_no_variant_asks(tmp_path, variant, task):
    steps_without_asking(tmp_path, variant=variant, task=task)


@pytest.mark.parametrize(
    "sections",
    [
        {"model": {"num_layers": 2, "dropout": 0.3}},
        {"model": {"bidirectional": True}, "task": MAJORITY},
        {"training": {"weight_noise": 0.1, "input_noise": 0.1}},
        {"training": {"reduce": "sum"}, "task": COPYING},
        {"schedule": {"name": "cosine"}},
        {"task": TOKENS, "model": {"embedding": 4, "zoneout_hidden": 0.1}},
        {"task": COPYING, "training": {"truncate": 4}},
    ],
    ids=["dropout", "bidirectional", "noise", "sum", "schedule", "tokens", "pieces"],
)
def test_no_setting_asks(tmp_path, sections):
    steps_without_asking(tmp_path, **sections)


def test_a_look_asks(tmp_path):
    module = steps_without_asking(tmp_path)
    with pytest.raises(NotImplementedError, match="no data"):
        module.look()


def test_it_looks_before_a_validation_and_after_so_many_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(unread_health, "_EVERY", 7)
    for every, looks in ((3, 3), (20, 7)):
        module = steps_without_asking(tmp_path, looks - 1, training={"validate_every": every})
        with pytest.raises(NotImplementedError, match="no data"):
            module.take_step(StackData(module.configurations, module.template).batch(looks - 1).moved(module.device))


@pytest.mark.parametrize("steps", [1, 30])
def test_factors_that_are_made_ahead_are_those_of_each_step(tmp_path, steps):
    sections = {"schedule": {"name": "cosine"}, "training": {"max_steps": 40, "validate_every": 20}}
    module, _ = stack(tmp_path, **sections)
    device = torch.device("cpu")
    ahead = module._factors
    expected = [module.configurations[0].schedule.factor(step, 40, 0) for step in range(steps)]
    assert [ahead.at(step, [0, 0], device).tolist() for step in range(steps)] == [
        pytest.approx([factor] * 2, rel=1e-6) for factor in expected
    ]
