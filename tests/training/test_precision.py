"""``training.precision``: a network in half precision, from weights, losses and optimisers in single precision."""

import dataclasses

import pytest
import torch

from gatelab.errors import UserError
from gatelab.store import Store
from gatelab.training import loss_scale, train_stack
from gatelab.training.loss_scale import LossScale
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackData
from gatelab.training.stack_module import StackModule
from tests.faults.test_resume import in_pieces
from tests.training.examples import COPYING, OPTIMIZERS, checkpoint, configuration, optimizer, outcome, rows

HALVES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
SGD = {"_target_": "torch.optim.SGD", "lr": 0.5}


def of(folder, precision, seed=0, training=None, **sections):
    return configuration(folder, seed=seed, training={"precision": precision, **(training or {})}, **sections)


def module_of(*runs):
    template = network(runs[0])
    return StackModule(runs, template, initial_weights(runs, template)), StackData(runs, template)


def test_single_precision_is_the_run_that_it_was(tmp_path):
    plain = configuration(tmp_path)
    for same in ("32", 32):
        assert of(tmp_path, same).identity == plain.identity
    assert "precision" not in of(tmp_path, "32").mapping()["training"]
    assert len({of(tmp_path, one).identity for one in ("32", *HALVES)}) == 3


@pytest.mark.parametrize("wrong", [16, True, "bf16", "64", None])
def test_other_precisions_are_refused(tmp_path, wrong):
    with pytest.raises(UserError, match=r"training\.precision"):
        of(tmp_path, wrong)


@pytest.mark.parametrize("precision", HALVES)
def test_a_step_is_that_of_the_network_in_half_precision(tmp_path, precision):
    """Its gradient is computed in half, and added to weights that are not."""
    run = of(tmp_path, precision, optimizer=SGD, training={"clip_norm": None}, task=COPYING)
    module, data = module_of(run)
    before = {name: weight.detach().clone() for name, weight in module.weights().items()}
    batch = data.batch(0)
    module.take_step(batch)

    twin = network(run).to(HALVES[precision])
    for name, weight in twin.named_parameters():
        weight.data.copy_(before[name][0])
    scale = 2.0**16 if precision == "16-mixed" else 1.0
    predicted = twin(batch.inputs[0].to(HALVES[precision]), batch.lengths[0]).float()
    weights = batch.loss_weights[0]
    loss = (run.task.losses(predicted, batch.targets[0]) * weights).sum() / weights.sum()
    (loss * scale).backward()
    for name, weight in twin.named_parameters():
        moved = before[name][0] - 0.5 * weight.grad.float() / scale
        torch.testing.assert_close(module.weights()[name][0], moved, rtol=0, atol=2e-4)
    assert {weight.dtype for weight in module.stacked} == {torch.float32}
    assert float(module.training_losses[0]) == pytest.approx(float(loss.detach()), abs=1e-3)


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("variant", ["lstm", "gru", "layer_norm_lstm", "mlstm", "min_gru"])
def test_it_learns_nearly_what_single_precision_learns(tmp_path, precision, variant, monkeypatch):
    monkeypatch.setattr(loss_scale, "_FIRST", 2.0**8)  # so that no step is left out
    found = {one: train_stack([of(tmp_path, one, variant=variant)])[0] for one in ("32", precision)}
    assert found[precision].status == "finished"
    assert found[precision].test.loss == pytest.approx(found["32"].test.loss, rel=0.05)
    assert found[precision].test.loss != found["32"].test.loss


@pytest.mark.parametrize("precision", HALVES)
def test_a_run_alone_is_that_run_in_a_stack(tmp_path, precision):
    runs = [of(tmp_path / "stack", precision, seed) for seed in (1, 2, 3)]
    train_stack(runs)
    train_stack([of(tmp_path / "alone", precision, 2)])
    assert outcome(tmp_path / "stack", runs[1].identity) == outcome(tmp_path / "alone", runs[1].identity)


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize(
    "sections",
    [
        {"model": {"num_layers": 2, "dropout": 0.3, "zoneout_hidden": 0.1}},
        {"task": COPYING, "training": {"truncate": 4}},
    ],
    ids=["drawn", "pieces"],
)
def test_a_stopped_run_goes_on_with_the_same_bits(tmp_path, precision, sections):
    whole, parts = (of(tmp_path / name, precision, **sections) for name in ("whole", "parts"))
    train_stack([whole])
    assert in_pieces([parts], 4) > 1
    assert outcome(tmp_path / "whole", whole.identity) == outcome(tmp_path / "parts", parts.identity)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_gradient_beyond_float16_leaves_out_the_step_of_its_run_alone(tmp_path, name):
    sections = {"optimizer": optimizer(name, 0.01, 0.1)}
    runs = [of(tmp_path, "16-mixed", seed, **sections) for seed in (1, 2)]
    module, data = module_of(*runs)
    scale = module.stack_optimizer.scale
    scale.factors[:] = 2.0**8
    module.take_step(data.batch(0))
    scale.factors[1] = 2.0**30
    before, moments = module.run_weights(1), module.stack_optimizer.run_state(1)
    module.take_step(data.batch(1))
    assert scale.factors.tolist() == [2.0**8, 2.0**29]
    assert scale.taken.tolist() == [2, 0]
    for weight, kept in zip(module.run_weights(1).values(), before.values(), strict=True):
        torch.testing.assert_close(weight, kept, rtol=0, atol=0)
    for found, kept in zip(module.stack_optimizer.run_state(1).values(), moments.values(), strict=True):
        if isinstance(kept, dict):
            torch.testing.assert_close(found, kept, rtol=0, atol=0)
    assert all(progress.active for progress in module.progress)

    alone, _ = module_of(runs[0])
    alone.stack_optimizer.scale.factors[:] = 2.0**8
    for step in range(2):
        alone.take_step(StackData([runs[0]], alone.template).batch(step))
    torch.testing.assert_close(module.run_weights(0), alone.run_weights(0), rtol=0, atol=0)


def test_a_run_whose_gradient_is_beyond_it_at_any_factor_has_diverged(tmp_path):
    module, data = module_of(of(tmp_path, "16-mixed"))
    module.stack_optimizer.scale.factors[:] = 1.0
    batch = data.batch(0)
    module.take_step(batch._replace(targets=batch.targets * 1e30))
    assert module.progress[0].diverged_at == 1


def test_factors_grow_again():
    scale = LossScale(2, torch.device("cpu"))
    for step in range(2000):
        scale.left_out(torch.tensor([1.0, float("inf") if step == 0 else 1.0]))
    assert scale.factors.tolist() == [2.0**17, 2.0**15]
    assert scale.taken.tolist() == [0, 1999]


def test_the_factor_is_in_the_checkpoint_and_the_record_tells_the_loop(tmp_path):
    run = of(tmp_path, "16-mixed")
    train_stack([run])
    factor, taken = checkpoint(tmp_path, run.identity, "last.pt")["loss_scale"]
    assert factor == 2.0 ** (16 - (8 - taken))  # a step left out halves it; the others are behind
    assert len(rows(tmp_path, run.identity, "train")) == 3
    result = Store(tmp_path).finished(run.identity)
    assert result.path == "loop"
    plain = dataclasses.replace(configuration(tmp_path / "plain"))
    train_stack([plain])
    assert "loss_scale" not in checkpoint(tmp_path / "plain", plain.identity, "last.pt")
