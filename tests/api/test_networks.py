"""The network of a stored run: its score, measured again by hand, is the stored one."""

import numpy as np
import pytest
import torch

import gatelab

FEW = ["task.validation_size=300", "task.test_size=300"]  # more than one batch of evaluation
SMALL = ["model.hidden_size=4", "training.max_steps=6", "training.batch_size=5", "training.validate_every=3",
         "logger=none"]  # fmt: skip
CASES = {
    "lstm": ["variant=lstm", "task=adding", "task.length=6", *FEW],
    "gru": ["variant=gru", "task=digits"],
    "edited": ["variant=peephole", "variant.equations.i=1 - f", "task=adding", "task.length=6", *FEW],
    "a foreign variant": ["variant=mlstm", "task=adding", "task.length=6", *FEW],
    "tokens": ["variant=gru", "task=copying", "task.length=3", *FEW],
    "tokens, two layers, both ways": ["variant=lstm", "task=selective_copying", "model.num_layers=2",
                                      "model.bidirectional=true", "task.validation_size=20", "task.test_size=20"],
    "embedding of vectors": ["variant=mgu", "task=adding", "task.length=6", "model.embedding=3", *FEW],
    "embedding as wide as the state": ["variant=sru", "task=adding", "task.length=6", "model.embedding=hidden", *FEW],
    "both ways": ["variant=cifg", "task=adding", "task.length=6", "model.bidirectional=true", *FEW],
    "lengths": ["variant=lstm", "task=parity", "task.length=7", *FEW],
    "lengths, both ways": ["variant=gru", "task=parity", "task.length=7", "model.bidirectional=true", *FEW],
    "longer test": ["variant=lstm", "task=parity", "task.length=5", "task.test_length=9", *FEW],
    "every step": ["variant=min_gru", "task=delay", *FEW],
    "dropout": ["variant=lstm", "task=adding", "task.length=6", "model.num_layers=2", "model.dropout=0.3", *FEW],
    "weight noise": ["variant=lstm", "task=adding", "task.length=6", "training.weight_noise=0.1", *FEW],
    "a stack of a row function": ["variant=layer_norm_lstm", "task=adding", "task.length=6", *FEW],
}  # fmt: skip


def averages(network, task, batch) -> tuple[float, float]:
    """Return mean loss and score over a split, from the definition in docs/architecture.md, all sequences at once."""
    with torch.no_grad():
        outputs = network(torch.from_numpy(batch.inputs), torch.from_numpy(batch.lengths))
    targets = torch.from_numpy(np.ascontiguousarray(batch.targets))
    found = []
    for values, weights in (
        (task.losses(outputs, targets), batch.loss_weights),
        (task.scores(outputs, targets), batch.score_weights),
    ):
        asked = weights != 0
        numbers = values.double().numpy()[asked]
        found.append(float((numbers * weights[asked]).sum() / weights[asked].sum(dtype=np.float64)))
    return found[0], found[1]


@pytest.mark.parametrize("words", CASES.values(), ids=CASES)
def test_the_score_is_the_stored_one(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = gatelab.train(*SMALL, *words)
    network = run.network()
    assert not network.training
    for split, stored in (("test", run.result.test), ("validation", run.result.validation)):
        batch = getattr(run.task, split)()
        loss, score = averages(network, run.task, batch)
        assert (loss, score) == pytest.approx((stored.loss, stored.score), rel=2e-6, abs=2e-7)
        assert run.score(split) == pytest.approx(stored.score, rel=2e-6, abs=2e-7)


def test_the_last_weights_are_those_after_the_last_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = gatelab.train(*SMALL, *CASES["lstm"], "optimizer.lr=2")  # so fast that the first validation is the best
    assert run.result.best_step == 3
    last, best = run.network("last").state_dict(), run.network("best").state_dict()
    assert last.keys() == best.keys()
    assert not any(torch.equal(last[name], best[name]) for name in last)
    # the last row of the history has the score of the last step
    rows = [row for row in run.history() if row["split"] == "validation"]
    assert run.score("validation", weights="last") == pytest.approx(rows[-1]["score"], rel=2e-6)
    assert run.score("validation") == pytest.approx(rows[0]["score"], rel=2e-6)


def test_the_initial_weights_are_those_before_the_first_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = ["opening=one", "model.num_layers=2", "model.dropout=0.1"]
    still = gatelab.train(*SMALL, *CASES["lstm"], *opened, "optimizer.lr=1e-12")
    initial, last = still.network("initial"), still.network("last")
    for name, weight in initial.state_dict().items():
        assert torch.allclose(weight, last.state_dict()[name], atol=1e-9)
    assert initial.rnn.layers[1].get_parameter("f_bias").tolist() == [1.0] * 4
    assert not initial.training
    assert still.score("validation", weights="initial") == pytest.approx(still.score("validation"), rel=1e-6)


def test_the_network_goes_on_learning_with_its_dropout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = gatelab.train(*SMALL, *CASES["dropout"]).network()
    x = torch.randn(6, 3, 2)
    assert torch.equal(network(x), network(x))
    network.train()
    assert not torch.equal(network(x), network(x))
    network(x).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_gates_are_those_of_the_equations(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = gatelab.train(*SMALL, *CASES["lstm"])
    x = torch.randn(6, 3, 2)
    layer = run.network().rnn.layers[0]
    weight, bias = layer.get_parameter("f_weight_x"), layer.get_parameter("f_bias")
    first = torch.sigmoid(x[0] @ weight.T + bias)  # h is zero before the first step
    assert torch.allclose(run.gates(x)["f"][0], first, atol=1e-6)
    assert torch.equal(run.gates(x.numpy())["f"], run.gates(x)["f"])
    assert run.gates()["f"].shape == (6, 300, 4)
    assert list(run.gates(x)) == ["i", "f", "o"]


def test_gates_of_tokens_and_of_lengths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = gatelab.train(*SMALL, *CASES["lengths, both ways"])
    batch = run.task.validation()
    values = run.gates(batch.inputs, batch.lengths)
    assert list(values) == ["0.0.r", "0.0.u", "0.1.r", "0.1.u"]
    after = np.arange(len(batch.inputs))[:, None] >= batch.lengths
    assert after.any()
    assert all((value.numpy()[after] == 0).all() and (value.numpy()[~after] > 0).all() for value in values.values())


def test_a_run_can_be_loaded_where_the_path_it_took_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = gatelab.train(*SMALL, *CASES["lstm"], "path=loop")
    assert run.network().rnn.layers[0].path == "auto"
