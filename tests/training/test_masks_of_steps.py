"""Zoneout and dropout within a step in training: which runs share a stack, evaluation, and the network of a run."""

import pytest
import torch

from gatelab.configuration import shape_key
from gatelab.configuration.without_effect import idle
from gatelab.store import Store
from gatelab.training import train_stack
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackData
from gatelab.training.stack_module import StackModule
from gatelab.training.stored import measure, stored_network
from tests.training.examples import configuration

ALL = {"zoneout_hidden": 0.1, "zoneout_cell": 0.5, "recurrent_dropout": 0.2, "variational_dropout": 0.3}


def test_runs_with_and_without_a_mask_are_of_different_stacks(tmp_path):
    none, one, other = (configuration(tmp_path, model={"zoneout_cell": rate}) for rate in (0.0, 0.1, 0.5))
    assert shape_key(one) == shape_key(other) != shape_key(none)
    assert len({none.identity, one.identity, other.identity}) == 3
    assert none.identity == configuration(tmp_path).identity
    assert "zoneout_cell" not in none.mapping()["model"]


def test_a_run_starts_as_it_does_without_masks(tmp_path):
    plain, masked = configuration(tmp_path, variant="gru"), configuration(tmp_path, variant="gru", model=ALL)
    weights = [initial_weights([run], network(run)) for run in (plain, masked)]
    for one, other in zip(*(each.values() for each in weights), strict=True):
        assert torch.equal(one, other)


def test_masks_are_drawn_anew_at_every_step_for_each_layer_and_word(tmp_path):
    run = configuration(tmp_path, model={**ALL, "num_layers": 2, "hidden_size": 8})
    data = StackData([run], network(run))
    first, again, next_one = data.batch(3).drawn, data.batch(3).drawn, data.batch(4).drawn
    assert first is not None
    assert again is not None
    assert next_one is not None
    assert len(first) == 2
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.equal(first[0], next_one[0])
    assert not torch.equal(first[0], first[1])
    words = first[0].split(8, -1)
    assert len(words) == 4
    assert not torch.equal(words[0], words[1])


def test_a_stored_network_has_the_scores_of_its_run(tmp_path):
    """Evaluation in the stack takes the mean of each mask; the stored network has it in its equations."""
    run = configuration(tmp_path, model={**ALL, "num_layers": 2}, training={"max_steps": 6})
    (result,) = train_stack([run])
    found = stored_network(run, (tmp_path / run.identity / "checkpoint/best.pt").read_bytes(), last=False, best=True)
    assert found.rnn.variant.equations["c"] == "0.5 * c + 0.5 * c_new"
    measured = measure(found, run.task, run.task.validation())
    assert measured.loss == pytest.approx(result.validation.loss, rel=1e-5)
    assert Store(tmp_path).finished(run.identity) == result


def test_evaluation_draws_nothing(tmp_path):
    run = configuration(tmp_path, model=ALL)
    template = network(run)
    data = StackData([run], template)
    module = StackModule([run], template, initial_weights([run], template))
    batch = next(iter(data.val_dataloader()))
    assert batch.drawn is None
    assert torch.equal(module(batch), module(batch))


@pytest.mark.parametrize(
    ("variant", "key", "because"),
    [
        ("gru", "zoneout_cell", "variant 'gru' has no state of its units but the hidden one"),
        ("elman", "recurrent_dropout", "variant 'elman' has no state of which equations keep a part"),
        ("min_gru", "variational_dropout", "variant 'min_gru' has no matrix in its equations"),
        ("mlstm", "zoneout_hidden", "variant 'mlstm' has no hidden state that equations write"),
    ],
)
def test_where_a_rate_has_no_effect_it_is_said(tmp_path, variant, key, because):
    run = configuration(tmp_path, variant=variant, model={key: 0.1})
    said = {one.key: one.because for one in idle(run, run.mapping())}
    assert said[f"model.{key}"].startswith(because)
    network(run)
