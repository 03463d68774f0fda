"""Planned quickly or point by point: the same points, the same notes, the same errors."""

import random
from collections.abc import Sequence

import pytest

from gatelab.configuration import RunConfiguration, arranged, shape_key
from gatelab.configuration.quick import QuickComposition
from gatelab.errors import UserError
from gatelab.sweeps.listener import Listener, PlanOnly
from gatelab.sweeps.training_call import carry_out

SWEEPS = [
    ["optimizer.lr=0.1,1,1.0,1e-3,0", "seed=1,2"],
    ["seed=1,2", "optimizer.lr=0.1,1,0.25", "optimizer.weight_decay=0,1e-2"],
    ["optimizer=sgd,adam", "optimizer.lr=1e-1,2e5", "seed=1,2"],
    ["optimizer=sgd", "optimizer.momentum=0.9,0.5,1e-1", "optimizer.lr=1,0.5"],
    ["optimizer.eps=1e-8,1e-6", "+optimizer.amsgrad=true", "optimizer.betas=[0.8,0.9]"],
    ["+optimizer.amsgrad=true,false", "optimizer.lr=1,2"],
    ["training.clip_norm=null,1,2.5,1.0", "training.max_steps=10,20,1e2"],
    ["training.input_noise=0,0.1,0.2", "training.patience=null,3,4", "seed=5"],
    ["schedule=plateau", "schedule.patience=10,5,6", "schedule.drop=0.5,0.1"],
    ["schedule=linear,cosine", "schedule.final=0.5,0.1", "optimizer.lr=0.1,0.2"],
    ["model.hidden_size=8,16", "task.length=5,7", "optimizer.lr=0.1,0.2"],
    ["model.zoneout_hidden=0,0.1,0.2", "optimizer.lr=0.1,0.2"],
    ["optimizer.lr=${draw:log_uniform,1e-6,1e-2}", "seed=range(4)", "training.clip_norm=1,2"],
    ["optimizer.lr=${draw:uniform,0,1}", "training.clip_norm=${draw:uniform,1,2}", "seed=range(3)"],
    ["optimizer.lr=${draw:choice,1,0.5,2}", "training.max_steps=${draw:integer,5,50}", "seed=range(5)"],
    ["model.hidden_size=${draw:integer,5,50}", "seed=range(3)", "optimizer.lr=0.1,0.2"],
    ["model.hidden_size=${by_variant:lstm,8,gru,9}", "variant=lstm,gru", "seed=1,2", "optimizer.lr=0.1,0.2"],
    ["training.patience=${seed}", "seed=1,2", "optimizer.lr=0.1,0.2"],
    ["variant=lstm,gru", "opening=default,one", "optimizer=adam,sgd", "optimizer.lr=0.1,0.2", "seed=range(2)"],
    ["variant.equations.i=1 - f,1", "optimizer.lr=0.1,0.2", "seed=range(2)"],
    ["++training.max_steps=5,6", "++seed=4,5"],
    ["optimizer.lr=0.1,0.2", "optimizer={weight_decay: 0.5}", "seed=1,2"],
    ["seed=1,2", "runs_dir='seed=3','seed=4'", "optimizer.lr=1,2"],
    ["optimizer=adamw", "optimizer.lr=1,2", "optimizer.weight_decay=0.1,0.2"],
    ["+experiment=drawn", "seed=range(3)", "variant=lstm,gru", "training.clip_norm=1,2"],
    ["training.stop_at=0.5,0.1", "optimizer.lr=0.1,0.2", "training.stop_on=both", "task.training_size=64"],
    ["training.devices=1,2", "optimizer.lr=0.1,0.2"],
    ["task=adding,copying", "logger=csv,none", "stack.size=1,2", "threads=1,2"],
]  # fmt: skip
WRONG = [
    ["optimizer.lr=0.1,-1,0.3"],
    ["optimizer.lr=0.1,0.2,1e39", "seed=1"],
    ["seed=1,-1,2", "optimizer.lr=0.1,0.2"],
    ["seed=1,2.5", "optimizer.lr=${draw:uniform,0,1}"],
    ["seed=1,-3", "optimizer.lr=${draw:uniform,0,1}"],
    ["training.max_steps=10,0,20"],
    ["training.max_steps=10,1.5"],
    ["optimizer=adamw", "optimizer.lr=1,2", "optimizer.weight_decay=0.1,0.6"],
    ["schedule.warmup_steps=1,2000"],
    ["schedule.warmup_steps=1,20", "training.max_steps=30,10"],
    ["optimizer=sgd", "optimizer.momentum=0.5,1.5"],
    ["optimizer.lr=0.1,0.2", "training.clip_norm=1,0", "seed=1,2"],
    ["training.input_noise=0,0.1", "task=state_tracking"],
    ["model.hidden_size=4,0", "optimizer.lr=0.1,0.2"],
    ["training.devices=1,3", "optimizer.lr=0.1,0.2"],
    ["model.dropout=0,0.1,0.2"],
    ["stack.size=1,4", "training.devices=1,2"],
    ["optimizer.lr=0.1,0.2", "variant=lstm,lstn"],
]
KEYS = {
    "optimizer.lr": ["0.1", "1", "1.0", "2e-3", "0"],
    "optimizer.weight_decay": ["0", "0.5", "1e-3"],
    "optimizer.eps": ["1e-8", "1e-6", "0"],
    "training.clip_norm": ["1", "2.0", "null"],
    "training.max_steps": ["5", "10", "1e2"],
    "training.validate_every": ["1", "7"],
    "schedule.warmup_steps": ["0", "3"],
    "schedule.final": ["1", "0.5", "-1"],
    "task.length": ["6", "7"],
    "model.num_layers": ["1", "2"],
    "opening": ["default", "one"],
    "variant": ["lstm", "gru"],
    "optimizer": ["adam", "sgd", "adamw"],
}


class Heard(Listener):
    """Keeps the points of a plan and the notes on them."""

    def __init__(self):
        self.points: Sequence[RunConfiguration] = ()
        self.notes: list[str] = []

    def note(self, line):
        self.notes.append(line)

    def plans(self, asked):
        self.points = asked.points
        asked.check(asked.points)


def heard(words):
    listener = Heard()
    try:
        carry_out(arranged(["-m", "plan_only=true", "logger=none", "--config-dir=.", *words]), listener)
    except PlanOnly:
        return [(run.identity, run.mapping(), shape_key(run)) for run in listener.points], listener.notes
    except UserError as error:
        return str(error)
    raise AssertionError("neither planned nor refused")


def both_ways(words, monkeypatch):
    quick = heard(words)
    with monkeypatch.context() as slow:
        slow.setattr(QuickComposition, "append_again", lambda *_: False)
        slow.setattr(QuickComposition, "_files", lambda _: None)
        return quick, heard(words)


@pytest.fixture(autouse=True)
def drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "drawn.yaml").write_text(
        "# @package _global_\noptimizer:\n  lr: ${draw:log_uniform,1e-6,1e-2}\n"
    )


@pytest.mark.parametrize("words", SWEEPS, ids=" ".join)
def test_the_same_points_and_notes(words, monkeypatch):
    words = words if any(word.startswith("task=") for word in words) else ["task=adding", *words]
    quick, slow = both_ways(words, monkeypatch)
    assert isinstance(slow, tuple) and len(slow[0]) > 1
    assert quick == slow


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_the_same_errors(words, monkeypatch):
    words = words if any(word.startswith("task=") for word in words) else ["task=adding", *words]
    quick, slow = both_ways(words, monkeypatch)
    assert isinstance(slow, str)
    assert quick == slow


@pytest.mark.parametrize("number", range(8))
def test_random_sweeps(number, monkeypatch):
    draw = random.Random(number)
    keys = draw.sample(sorted(KEYS), 4)
    words = [f"{key}={','.join(draw.sample(KEYS[key], draw.randint(1, 2)))}" for key in keys]
    quick, slow = both_ways(["task=adding", *words, "seed=range(2)"], monkeypatch)
    assert quick == slow
