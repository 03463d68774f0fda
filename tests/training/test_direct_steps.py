"""Direct steps: what a run writes is, bit for bit, what Lightning's loop writes; and who takes them is told."""

import json
from dataclasses import replace

import pytest

from gatelab.errors import UserError
from gatelab.paths.native.standing import standing_bytes
from gatelab.training import direct_step as direct_step_module
from gatelab.training import train_stack, trainers
from gatelab.training.direct_step import direct_step
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackData
from gatelab.training.stack_module import StackModule
from gatelab.training.watcher import Watcher
from tests.training.examples import ADAM, COPYING, DIGITS, chorales, configuration, optimizer, outcome

CASES = {
    "lstm": {},
    "gru, every step, classes": {"variant": "gru", "task": COPYING, "optimizer": optimizer("SGD", 0.1, 0.0)},
    "peephole, a width with padding": {"variant": "peephole", "model": {"hidden_size": 11}},
    "learned numbers": {"variant": "ur_lstm", "task": DIGITS, "schedule": {"name": "cosine"}},
    "a single sequence": {"variant": "cifg", "training": {"batch_size": 1, "clip_norm": 0.01}},
    "a run that diverges inside a block": {
        "optimizer": {**ADAM, "lr": 1e30},
        "training": {"clip_norm": None, "validate_every": 50},
    },
    "sums, sets, decay": {
        "task": {"name": "embedded_reber", "loss": "squared", "validation_size": 9, "test_size": 9},
        "optimizer": optimizer("AdamW", 0.01, 0.1),
        "training": {"reduce": "sum"},
    },
    "noise on inputs, patience": {"training": {"input_noise": 0.3, "patience": 1}},
    "noise on weights and inputs": {"training": {"weight_noise": 0.3, "input_noise": 0.1}},
    "noise on weights, every step": {
        "variant": "gru",
        "task": COPYING,
        "optimizer": optimizer("RMSprop", 0.01, 0.0),
        "training": {"weight_noise": 0.1},
    },
}
NOT_DIRECT = {
    "more than one layer": {"model": {"num_layers": 2}},
    "an embedding": {"model": {"embedding": 3}},
    "not written as equations": {"variant": "mlstm"},
    "noise on the weights": {"training": {"weight_noise": 0.1}, "optimizer": optimizer("Adagrad", 0.1, 0.0)},
    "piece by piece": {"task": COPYING, "training": {"truncate": 4}},
    "no compiled code": {"path": "loop"},
}


def trained(folder, sections, monkeypatch, *, direct):
    runs = [configuration(folder, seed=seed, **sections) for seed in (0, 1)]
    if not direct:
        monkeypatch.setattr(trainers, "direct_step", lambda *_: "not in this test")
    train_stack(runs)
    return [
        (outcome(folder, run.identity), json.loads((folder / run.identity / "provenance.json").read_text()))
        for run in runs
    ]


@pytest.mark.parametrize("name", CASES)
def test_direct_steps_are_lightnings_bit_for_bit(tmp_path, monkeypatch, name):
    ours = trained(tmp_path / "direct", CASES[name], monkeypatch, direct=True)
    theirs = trained(tmp_path / "lightning", CASES[name], monkeypatch, direct=False)
    for (found, told), (expected, of_them) in zip(ours, theirs, strict=True):
        assert told["training_loop"] == "direct"
        assert of_them["training_loop"] == "Lightning: not in this test"
        assert found == expected


def test_sequences_of_different_lengths_too(tmp_path, monkeypatch):
    sections = {"task": chorales(tmp_path), "training": {"batch_size": 2}}
    ours = trained(tmp_path / "direct", sections, monkeypatch, direct=True)
    theirs = trained(tmp_path / "lightning", sections, monkeypatch, direct=False)
    assert [told["training_loop"] for _, told in ours] == ["direct"] * 2
    assert [found for found, _ in ours] == [expected for expected, _ in theirs]


GROUPED = {
    "last steps, one diverges": {"task": {"name": "adding", "length": 10, "validation_size": 300, "test_size": 9}},
    "every step": {"variant": "gru", "task": COPYING},
}


@pytest.mark.parametrize("name", GROUPED)
@pytest.mark.parametrize(("number", "share"), [(1, 0), (2, 2.5)])
def test_runs_that_take_turns_in_a_cache_are_those_of_the_whole_stack(tmp_path, monkeypatch, name, number, share):
    runs = [
        configuration(tmp_path / "turns", seed=seed, optimizer={**ADAM, "lr": 1e30 if seed == 3 else 0.01}, **sections)
        for seed, sections in enumerate([GROUPED[name]] * 6)
    ]
    train_stack([replace(run, runs_dir=str(tmp_path / "whole")) for run in runs])
    lanes = []

    def remember(call):
        # of six runs: one after the other, and two at a time
        size = standing_bytes(direct_step_module._of_runs(call, 1))
        monkeypatch.setattr(direct_step_module, "_CACHE", int(share * size))
        lanes.append(grouped(call))
        return lanes[-1]

    grouped = direct_step_module._lanes
    monkeypatch.setattr(direct_step_module, "_lanes", remember)
    monkeypatch.setattr(direct_step_module, "_OUTPUTS", 0)
    train_stack([replace(run, threads=number) for run in runs])
    assert [len(one.output) for one in lanes[0]] == [max(1, int(share))] * number
    for run in runs:
        assert outcome(tmp_path / "turns", run.identity) == outcome(tmp_path / "whole", run.identity)


@pytest.mark.parametrize("reason", NOT_DIRECT)
def test_where_steps_are_not_direct_the_reason_is_told(tmp_path, reason):
    run = configuration(tmp_path, **NOT_DIRECT[reason])
    template = network(run)
    module = StackModule([run], template, initial_weights([run], template))
    found = direct_step(module, StackData([run], template))
    assert isinstance(found, str)
    assert reason in found


def test_an_error_in_the_middle_leaves_the_loop_and_tells_the_display(tmp_path, monkeypatch):
    seen = []

    class Display(Watcher):
        def on_train_batch_end(self, module):
            seen.append(module.taken)
            raise UserError("stop here")

        def on_exception(self, module, error):
            seen.append(str(error))

    with pytest.raises(UserError, match="stop here"):
        train_stack([configuration(tmp_path)], display=Display())
    assert seen == [1, "stop here"]
