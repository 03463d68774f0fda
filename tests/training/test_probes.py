"""training.probes: what it records at validations, and that it changes nothing else."""

import csv
import itertools
import math

import numpy as np
import pytest
import torch

from gatelab.language import load_variant
from gatelab.layers.network import Network
from gatelab.probes import in_training
from gatelab.probes.in_training import effective_ranks, gradient_against_distance
from gatelab.probes.records import gates_of, gradient_of, parsed
from gatelab.store import Stop, Stopped, Store
from gatelab.training import train_stack
from gatelab.training.stack_batches import EvaluationBatches
from gatelab.training.weighted import last_loss
from tests.training.examples import ADDING, COPYING, chorales, configuration, outcome, rows

pytestmark = pytest.mark.usefixtures("one_step_at_a_time")

PROBES = {"probes": True}


def new(name):
    """Whether a number stands in a history only because of training.probes."""
    key = parsed(name)
    return key is not None and (key.probe == "gradient" or key.number == "effective_rank")


def stacked(network, runs=1):
    return {name: torch.stack([value.detach()] * runs) for name, value in network.named_parameters()}


@pytest.mark.parametrize("variant", ["lstm", "elman", "mlstm"])
def test_everything_else_is_bit_for_bit_the_same(tmp_path, variant):
    plain = configuration(tmp_path / "plain", variant)
    probed = configuration(tmp_path / "probed", variant, training=PROBES)
    assert plain.identity == probed.identity
    train_stack([plain])
    train_stack([probed])
    first, second = (outcome(tmp_path / name, plain.identity) for name in ("plain", "probed"))
    for one in (first, second):
        del one["history"], one["last.pt"]["history"]
    assert first == second
    before, after = (Store(tmp_path / name).history(plain.identity) for name in ("plain", "probed"))
    kept = [{name: value for name, value in row.items() if not new(name)} for row in after]
    assert kept == before
    assert all(any(map(new, row)) == (row["split"] == "validation") for row in after)


def test_a_stored_configuration_has_the_key_only_where_it_is_asked_for(tmp_path):
    assert "probes" not in configuration(tmp_path).mapping()["training"]
    assert configuration(tmp_path, training=PROBES).mapping()["training"]["probes"] is True


@pytest.mark.parametrize("variant", ["lstm", "gru"])
def test_alone_and_in_a_stack(tmp_path, variant):
    def several(folder):
        return [configuration(tmp_path / folder, variant, seed=seed, training=PROBES) for seed in range(3)]

    train_stack(several("together"))
    for run in several("alone"):
        train_stack([run])
        assert outcome(tmp_path / "alone", run.identity) == outcome(tmp_path / "together", run.identity)


def test_in_a_stack_only_the_runs_that_ask_record_more(tmp_path):
    train_stack([configuration(tmp_path), other := configuration(tmp_path, seed=1, training=PROBES)])
    for identity in Store(tmp_path).identities():
        recorded = any(map(new, rows(tmp_path, identity, "validation")[0]))
        assert recorded == (identity == other.identity)


@pytest.mark.parametrize("batches", [4, 7])
def test_a_resumed_run_has_the_history_of_an_uninterrupted_one(tmp_path, batches):
    whole, halted = (configuration(tmp_path / name, training=PROBES) for name in ("whole", "halted"))
    train_stack([whole])
    asked = itertools.count()
    with pytest.raises(Stopped):
        train_stack([halted], stop=Stop(lambda: next(asked) > batches))
    assert len(Store(tmp_path / "halted").history(whole.identity)) < 6
    train_stack([halted])
    assert outcome(tmp_path / "halted", whole.identity) == outcome(tmp_path / "whole", whole.identity)


def test_loggers_get_the_numbers(tmp_path):
    run = configuration(tmp_path, training=PROBES, logger={"csv": {}})
    train_stack([run])
    with next((tmp_path / run.identity).rglob("metrics.csv")).open() as file:
        logged = [row for row in csv.DictReader(file) if row["validation/loss"]]
    recorded = rows(tmp_path, run.identity, "validation")
    for key in ("gates/f/effective_rank", "gradient/loss/lag_2"):
        assert [float(row[key]) for row in logged] == [row[key] for row in recorded]


def test_what_a_variant_lacks_is_said_once(tmp_path, capsys):
    in_training._print_once.cache_clear()  # another test of this process may have said it
    train_stack([configuration(tmp_path, "cifg", training=PROBES)])
    train_stack([configuration(tmp_path, "cifg", seed=1, training=PROBES)])
    train_stack([configuration(tmp_path, "lstm", training=PROBES)])
    lines = [line for line in capsys.readouterr().err.splitlines() if "training.probes" in line]
    assert len(lines) == 1
    assert "'cifg' has no effective rank of i: " in lines[0]


def test_the_effective_rank_of_matrices_that_are_known():
    network = Network(load_variant("lstm"), 2, 1, 6)
    weights = stacked(network.rnn, 2)
    matrices = weights["layers.0.f_weight_h"]
    matrices[0] = torch.linalg.qr(torch.randn(6, 6))[0]  # all directions alike
    matrices[1] = torch.outer(torch.arange(6.0), torch.ones(6))
    weights["layers.0.i_weight_h"][:] = torch.diag(torch.tensor([2.0, 2.0, 0, 0, 0, 0]))
    weights["layers.0.o_weight_h"][:] = 0
    first, second = ({name: gate.effective_rank for name, gate in gates_of(row).items()}
                     for row in effective_ranks(network.rnn, weights))  # fmt: skip
    assert first == pytest.approx({"i": 2, "f": 6, "o": 0}, abs=1e-5)
    assert second == pytest.approx({"i": 2, "f": 1, "o": 0}, abs=1e-5)


def test_layers_and_directions_have_ranks_of_their_own():
    network = Network(load_variant("gru"), 2, 1, 3, num_layers=2, bidirectional=True)
    (found,) = effective_ranks(network.rnn, stacked(network.rnn))
    assert list(gates_of(found)) == [f"{layer}.{way}.{gate}" for layer in (0, 1) for way in (0, 1) for gate in "ru"]


def test_the_gradient_of_a_linear_recurrence():
    """With h = 0.5 h + x and a readout of 3 the loss 3 h_T has the slope 3 · 0.5^k at distance k, ·√2 for two units."""
    network = Network(load_variant("elman").edit(h="linear(h) + linear(x)"), 2, 1, 2)
    with torch.no_grad():
        for name, value in network.named_parameters():
            matrix = "readout" not in name and value.dim() == 2
            reads_h = matrix and name.endswith("_h")
            value.copy_((0.5 if reads_h else 1.0) * torch.eye(2) if matrix else torch.full_like(value, 3.0))
    inputs, lengths = torch.zeros(12, 2, 2), torch.tensor([12, 4])
    (found,) = gradient_against_distance(network, stacked(network), inputs, lengths, lengths - 1, torch.sum)
    expected = {lag: 3 * math.sqrt(2) * 0.5**lag for lag in (0, 1, 2, 5, 10)}
    assert gradient_of(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("task", [ADDING, COPYING, None], ids=["last", "every", "lengths"])
@pytest.mark.parametrize("variant", ["gru", "mlstm"])
def test_the_gradient_is_that_of_autograd_through_the_whole_network(tmp_path, task, variant):
    run = configuration(tmp_path, variant, task or chorales(tmp_path))
    batch = next(iter(EvaluationBatches(run.task.validation()))).first(3, torch.device("cpu"))
    network = Network(run.variant, run.task.input_size, run.task.output_size, 5, readout=run.task.readout)
    loss, ends = last_loss(run.task, batch)
    (found,) = gradient_against_distance(network, stacked(network), batch.inputs, batch.lengths, ends, loss)
    inputs = batch.inputs.clone().requires_grad_()
    outputs = network(inputs, batch.lengths)
    for lag, norm in gradient_of(found).items():
        squares = []
        for sequence, end in enumerate(ends.tolist()):
            if end >= lag:
                at = (sequence,) if run.task.readout == "last" else (end, sequence)
                one = run.task.losses(outputs[at][None], batch.targets[at][None]).sum()
                (slope,) = torch.autograd.grad(one, inputs, retain_graph=True)
                squares.append(float(slope[end - lag, sequence].square().sum()))
        assert norm == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-4, abs=1e-9)


def test_sequences_without_a_loss_do_not_count(tmp_path):
    batch = next(iter(EvaluationBatches(configuration(tmp_path, task=COPYING).task.validation())))
    batch.loss_weights[:, 1] = 0
    _, ends = last_loss(configuration(tmp_path, task=COPYING).task, batch)
    assert ends[1] == -1
    assert ends[0] == batch.lengths[0] - 1
