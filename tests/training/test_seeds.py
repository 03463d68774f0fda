"""Everything random in a run follows from its seed, and from nothing else."""

import numpy as np
import pytest
import torch

from gatelab.training import train_stack
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackData
from tests.training.examples import ADAM, bits, configuration, outcome

LAYERS = {"num_layers": 2, "dropout": 0.5}


def data(runs):
    return StackData(runs, network(runs[0]))


def weights(runs):
    return initial_weights(runs, network(runs[0]))


@pytest.fixture
def run(tmp_path):
    return lambda seed=0, **sections: configuration(tmp_path, seed=seed, model=LAYERS, **sections)


def test_the_same_run_twice_is_the_same(tmp_path):
    for folder in ("once", "again"):
        train_stack([configuration(tmp_path / folder, seed=3)])
    identity = configuration(tmp_path, seed=3).identity
    assert outcome(tmp_path / "once", identity) == outcome(tmp_path / "again", identity)


def test_what_the_process_has_drawn_before_means_nothing(tmp_path):
    for folder in ("once", "again"):
        train_stack([configuration(tmp_path / folder, seed=3)])
        torch.rand(7)
        np.random.default_rng().random(3)
    identity = configuration(tmp_path, seed=3).identity
    assert outcome(tmp_path / "once", identity) == outcome(tmp_path / "again", identity)


def test_another_seed_changes_weights_data_and_dropout(run):
    first, second = data([run(0)]).batch(0), data([run(1)]).batch(0)
    assert not torch.equal(first.inputs, second.inputs)
    assert not torch.equal(first.masks[0], second.masks[0])
    drawn = weights([run(0), run(1)])
    assert all(not torch.equal(weight[0], weight[1]) for weight in drawn.values())


def test_only_the_seed_does(run):
    """Neither the optimiser, nor its schedule, nor clipping changes what is drawn."""
    other = run(
        0,
        optimizer={**ADAM, "lr": 3.0},
        schedule={"name": "cosine"},
        training={"clip_norm": None, "max_steps": 77},
    )
    assert bits(weights([run(0)])) == bits(weights([other]))
    for step in (0, 5):
        one, another = data([run(0)]).batch(step), data([other]).batch(step)
        assert torch.equal(one.inputs, another.inputs)
        assert torch.equal(one.masks[0], another.masks[0])


def test_every_step_draws_anew(run):
    batches = [data([run(0)]).batch(step) for step in (0, 1)]
    assert not torch.equal(batches[0].inputs, batches[1].inputs)
    assert not torch.equal(batches[0].masks[0], batches[1].masks[0])


def test_a_run_draws_the_same_wherever_it_stands_in_a_stack(run):
    alone, stacked = data([run(4)]).batch(2), data([run(1), run(2), run(4)]).batch(2)
    assert torch.equal(alone.inputs[0], stacked.inputs[2])
    assert torch.equal(alone.masks[0][0], stacked.masks[0][2])
    one, three = weights([run(4)]), weights([run(1), run(2), run(4)])
    assert all(torch.equal(one[name][0], three[name][2]) for name in one)


def test_an_opening_changes_biases_only(run):
    plain, opened = weights([run(0), run(0, opening={"name": "one"})]), weights([run(0, opening={"name": "one"})])
    for name, weight in plain.items():
        assert torch.equal(weight[1], opened[name][0])
        assert torch.equal(weight[0], weight[1]) == ("rnn" not in name or weight[0].dim() == 2)
