"""``hydra/sweeper=optuna_search`` as a user calls it: composed, trained, resumed, refused."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from gatelab.cli import entry
from gatelab.cli.train import train
from gatelab.errors import UserError
from gatelab.store import Store
from gatelab.store.faults import VARIABLE

LR = "optimizer.lr=tag(log,interval(1e-4,1e-1))"
SMALL = [
    "task=adding", "task.length=5", "task.validation_size=8", "task.test_size=8", "model.hidden_size=3",
    "training.batch_size=4", "training.max_steps=4", "training.validate_every=2", "logger=none", "progress=false",
]  # fmt: skip
SEARCH = ["-m", "hydra/sweeper=optuna_search", *SMALL]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    return tmp_path


def journal(folder, name="lr"):
    return (folder / "runs" / "studies" / f"{name}.journal").read_bytes()


def test_a_search_trains_stacks_and_is_resumed(folder, capfd):
    options = ["hydra.sweeper.study_name=lr", "hydra.sweeper.batch_size=2", "hydra.sweeper.seeds=2"]
    for trials in (2, 3):
        assert train([*SEARCH, LR, *options, f"hydra.sweeper.n_trials={trials}"]) == 0
    printed = capfd.readouterr().out
    results = Store("runs").results()
    assert sorted(result.seed for result in results) == [0, 0, 0, 1, 1, 1]
    assert "study lr: 2 of 3 trials are there\n" in printed
    assert "mean ± sd" not in printed  # no table after every batch
    assert "study lr: 3 trials (3 finished) in runs/studies/lr.journal\n" in printed
    score = float(re.findall(r"best trial: \d, validation mean squared error (\S+), the mean of 2 seeds", printed)[-1])
    means: dict[float, float] = {}
    for result in results:
        means[result.settings["optimizer.lr"]] = means.get(result.settings["optimizer.lr"], 0) + result.validation.score
    assert score == pytest.approx(min(means.values()) / 2, rel=1e-5)
    # the command that is printed trains nothing: its runs are there
    command = shlex.split(printed.splitlines()[-1])
    assert command[:2] == ["python", "scripts/train.py"]
    assert train([*command[2:], *SMALL]) == 0
    assert len(Store("runs").results()) == 6


def test_the_space_of_a_file(folder, capfd):
    (folder / "mine" / "experiment").mkdir(parents=True)
    (folder / "mine" / "experiment" / "search.yaml").write_text(
        "# @package _global_\n"
        "defaults:\n  - override /hydra/sweeper: optuna_search\n"
        "hydra:\n  sweeper:\n    study_name: of_a_file\n    n_trials: 2\n    options: {n_startup_trials: 1}\n"
        '    params:\n      optimizer.lr: tag(log, interval(1e-3, 1e-2))\n      model: {num_layers: "range(1, 3)"}\n'
        "      training.clip_norm: null\n      optimizer.weight_decay: interval(0, 1)\n"
    )
    assert train(["-m", "--config-dir=mine", "+experiment=search", *SMALL, "optimizer.weight_decay=0.5"]) == 0
    settings = [result.settings for result in Store("runs").results()]
    assert len(settings) == 2
    assert all(1e-3 <= setting["optimizer.lr"] <= 1e-2 for setting in settings)
    assert {setting["training.clip_norm"] for setting in settings} == {None}
    assert {setting["optimizer.weight_decay"] for setting in settings} == {0.5}
    assert "python scripts/train.py --config-dir=mine training.clip_norm=null " in capfd.readouterr().out


def test_what_follows_from_seed_or_variant_does_so_in_each_run_of_a_search(folder):
    (folder / "mine" / "experiment").mkdir(parents=True)
    (folder / "mine" / "experiment" / "search.yaml").write_text(
        "# @package _global_\n"
        "defaults:\n  - override /hydra/sweeper: optuna_search\n"
        "hydra:\n  sweeper:\n    sampler: grid\n    seeds: 2\n"
        "    params:\n      variant: gru,cifg\n      model: {hidden_size: '${by_variant:gru,3,cifg,4}'}\n"
        "      optimizer.lr: ${draw:uniform,0,1}\n      training.clip_norm: ${model.hidden_size}\n"
    )
    assert train(["-m", "--config-dir=mine", "+experiment=search", *SMALL[:4], *SMALL[5:]]) == 0
    settings = [(one.label, one.seed, one.settings) for one in Store("runs").results()]
    found = [(label, seed, of["model.hidden_size"], of["training.clip_norm"]) for label, seed, of in settings]
    assert found == [("cifg", 0, 4, 4), ("cifg", 1, 4, 4), ("gru", 0, 3, 3), ("gru", 1, 3, 3)]
    rates = [of["optimizer.lr"] for _, _, of in settings]
    assert rates[:2] == rates[2:] and rates[0] != rates[1]


def test_equations_are_choices(folder):
    words = ["variant.equations.f=1 - i,sigmoid(linear(x, h))", "hydra.sweeper.sampler=grid"]
    assert train([*SEARCH, *words]) == 0
    assert sorted(result.label for result in Store("runs").results()) == ["lstm f=1 - i", "lstm"][::-1]


def test_a_divergence_is_told(folder, capfd):
    words = ["optimizer=sgd", "optimizer.lr=1e30,1e-3", "training.clip_norm=null", "hydra.sweeper.sampler=grid"]
    assert train([*SEARCH, *words, "hydra.sweeper.study_name=lr"]) == 0
    assert "study lr: 2 trials (1 finished, 1 diverged) in " in capfd.readouterr().out
    assert [
        line for line in journal(folder).splitlines() if json.loads(line).get("user_attr") == {"status": "diverged"}
    ]


@pytest.mark.slow
def test_a_run_whose_process_dies_fails_its_trial(folder, capfd, monkeypatch):
    monkeypatch.setenv(VARIABLE, "kill:1")
    words = ["optimizer.lr=1e-3,1e-2", "hydra.sweeper.sampler=grid", "hydra.sweeper.seeds=2"]
    assert train([*SEARCH, *words, "hydra.sweeper.study_name=lr"]) == 1
    printed = capfd.readouterr().out
    assert "study lr: 2 trials (2 failed) in " in printed
    assert printed.endswith("no trial finished, so there is no best one\n")
    assert len(Store("runs").results()) == 2


REFUSED = {
    "hydra.sweeper.sampler=tpee": "unknown hydra.sweeper.sampler 'tpee' (did you mean 'tpe'?); allowed: ",
    "hydra.sweeper.n_trials=0": "hydra.sweeper.n_trials=0: must be at least 1",
    "hydra.sweeper.n_trial=3": "unknown key 'hydra.sweeper.n_trial'",
    "hydra.sweeper.options.popsize=3": "unknown key 'hydra.sweeper.options.popsize'; allowed: n_startup_trials, ",
    "optimizer.lr=interval(1,0.5)": "optimizer.lr=interval(1,0.5): the first end must be below the second",
    "optimizer.lr=tag(log,interval(0,1))": "optimizer.lr=tag(log,interval(0,1)): a logarithmic scale needs",
    "optimizer.lr=interval(-1,1)": "optimizer.lr=-1: must be at least 0",
    "optimizer.l=interval(0,1)": "unknown key 'optimizer.l' (did you mean 'optimizer.lr'?); allowed in optimizer: ",
    "variant=lstm,cfig": "unknown variant 'cfig' (did you mean 'cifg'?); `python scripts/catalogue.py` ",
    "seed=range(3)": "seed=range(3): a seed is nothing to choose; hydra.sweeper.seeds=3 ",
    "plan_only=true": "plan_only=true: a search has no plan, it proposes its trials batch by batch",
    "hydra.sweeper.n_trials=1000000000": "1,000,000,000 points: more than 100,000,",
    "hydra.sweeper.seeds=10000": "200,000 points (20 trials of 10,000 seeds each): more than 100,000, the most that a ",
    "hydra.launcher.most_points=19": "20 points: more than 19, the most that a sweep may have; "
    "search fewer, or raise hydra.launcher.most_points\n",
    "hydra.sweeper.sampler=grid": f"{LR}: a grid needs separate values, such as a,b,c or range(…)",
}


@pytest.mark.parametrize("word", REFUSED)
def test_refused_in_one_line_and_nothing_written(folder, capsys, word):
    with pytest.raises(SystemExit) as ended:
        entry.run(train, [*SEARCH, LR, word])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(REFUSED[word]), printed.err
    assert printed.err.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_a_grid_is_counted_before_it_is_written_out(folder):
    words = ["hydra.sweeper.sampler=grid", "hydra.sweeper.n_trials=1", "model.hidden_size=range(1,9)"]
    with pytest.raises(UserError, match=r"^80 points: more than 79, .*; search fewer, or raise hydra.launcher.most_"):
        train([*SEARCH, *words, "model.num_layers=range(1,11)", "hydra.launcher.most_points=79"])
    assert list(folder.iterdir()) == []


def test_data_that_are_missing_leave_nothing(folder, capsys):
    with pytest.raises(SystemExit):
        entry.run(train, ["-m", "hydra/sweeper=optuna_search", LR, "task=chorales", "task.path=nowhere.json"])
    assert capsys.readouterr().err.startswith("task.path=nowhere.json: no such file")
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_an_interval_needs_a_search(folder, capsys):
    for words in (["hydra/sweeper=optuna_search", *SMALL, LR], ["-m", *SMALL, LR]):
        with pytest.raises(SystemExit) as ended:
            entry.run(train, words)
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_the_plugin_is_light():
    code = (
        "import hydra.plugins.sweeper, sys\nbefore = set(sys.modules)\n"
        "import hydra_plugins.gatelab_optuna_sweeper.optuna_sweeper\n"
        "print(*sorted(name for name in set(sys.modules) - before if name.split('.')[0] != 'hydra_plugins'))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.split())
    assert not {"optuna", "torch", "numpy"} & loaded
    # it declares the keys of gatelab.keys, which need pydantic and nothing else
    of_ours = {name for name in loaded if name.startswith("gatelab.")}
    assert {name for name in of_ours if not name.startswith("gatelab.keys")} == set()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["model.dropout=interval(0,0.5)"],
            "model.dropout is swept over 0, 0.309, 0.5 and has no effect in any point: model.num_layers=1 has no layer "
            "between",
        ),
        ([LR, "path=scan"], "path=scan cannot run variant 'lstm': a state is not linear in itself given the "
         "input; must be auto, native, triton or loop"),
        ([LR, "model.hidden_size=choice(3,65000)"], "lstm on adding (model.hidden_size=65000, 5 steps, "
         "training.batch_size=4): needs about 1.48 TB of memory"),
    ],
)  # fmt: skip
def test_what_a_search_cannot_have_is_refused_before_there_is_a_study(folder, words, line):
    with pytest.raises(UserError) as refused:
        train([*SEARCH, *words, "hydra.sweeper.study_name=lr", "hydra.launcher.executor=inline"])
    assert str(refused.value).startswith(line)
    assert list(folder.iterdir()) == []
