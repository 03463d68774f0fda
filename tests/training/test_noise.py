"""Noise on inputs and weights: of which size, where, and that gradients are those at the noisy weights."""

import numpy as np
import pytest
import torch
from torch.func import functional_call

from gatelab.errors import UserError
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackData
from gatelab.training.stack_module import StackModule
from gatelab.training.weight_noise import with_noise
from tests.training.examples import chorales, configuration


def modules(*runs):
    template = network(runs[0])
    data = StackData(runs, template)
    return data, StackModule(runs, template, initial_weights(runs, template))


def test_noise_on_inputs_has_its_deviation_and_ends_with_the_sequence(tmp_path):
    task, batch = chorales(tmp_path), {"batch_size": 8}
    clean, noisy = (
        modules(configuration(tmp_path, task=task, training={**batch, "input_noise": deviation}))[0].batch(3)
        for deviation in (0.0, 0.5)
    )
    noise = (noisy.inputs - clean.inputs).numpy()[0]
    valid = np.arange(len(noise))[:, None] < clean.lengths[0].numpy()
    assert not noise[~valid].any()
    drawn = noise[valid].ravel()  # some 3000 numbers
    assert abs(drawn.mean()) < 5 * 0.5 / len(drawn) ** 0.5
    assert drawn.std() == pytest.approx(0.5, rel=5 / (2 * len(drawn)) ** 0.5)
    assert torch.equal(noisy.targets, clean.targets)


def test_noise_on_inputs_is_drawn_anew_at_every_step_and_never_for_validation(tmp_path):
    data, _ = modules(configuration(tmp_path, training={"input_noise": 0.5}))
    clean, _ = modules(configuration(tmp_path))
    noises = [(data.batch(step).inputs - clean.batch(step).inputs).flatten() for step in (0, 1)]
    assert abs(float(torch.corrcoef(torch.stack(noises))[0, 1])) < 0.5
    assert torch.equal(next(iter(data.val_dataloader())).inputs, next(iter(clean.val_dataloader())).inputs)


def test_gradients_are_those_at_the_noisy_weights(tmp_path):
    run = configuration(tmp_path, training={"weight_noise": 0.1, "clip_norm": None},
                        optimizer={"_target_": "torch.optim.SGD", "lr": 1.0})  # fmt: skip
    data, module = modules(run)
    batch, before = data.batch(0), {name: weight.detach().clone() for name, weight in module.weights().items()}
    noisy = {name: weight[0].detach().requires_grad_() for name, weight in with_noise(before, [run], 0).items()}
    noise = torch.cat([(noisy[name] - before[name][0]).detach().flatten() for name in before])
    assert float(noise.std()) == pytest.approx(0.1, rel=5 / (2 * len(noise)) ** 0.5)
    output = functional_call(module.template, noisy, (batch.inputs[0],))
    run.task.losses(output, batch.targets[0]).mean().backward()
    module.take_step(batch)
    for name, weight in module.weights().items():
        torch.testing.assert_close(before[name][0] - weight[0].detach(), noisy[name].grad, rtol=1e-4, atol=1e-6)


def test_tokens_take_no_noise(tmp_path):
    with pytest.raises(UserError, match=r"training\.input_noise=0\.1: task 'mqar' reads tokens"):
        configuration(tmp_path, task={"name": "mqar"}, training={"input_noise": 0.1})
