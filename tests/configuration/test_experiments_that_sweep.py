"""An experiment may bring a sweep: then all of it counts, or one line refuses it."""

import pytest

from gatelab.cli.train import train
from gatelab.cli.wandb_sweep import wandb_sweep
from gatelab.configuration import composed
from gatelab.errors import UserError
from gatelab.store import Failure

FILES = {
    "rates.yaml": "hydra: {sweeper: {params: {optimizer.lr: '1e-2,1e-3', seed: range(3)}}}\n",
    "above.yaml": "defaults: [/experiment/rates, _self_]\nmodel: {hidden_size: 3}\n",
    "beside.yaml": "defaults: [_self_, /experiment/above]\nseed: 5\n",
    "search.yaml": "defaults: [{override /hydra/sweeper: optuna_search}]\n",
    "workers.yaml": "hydra: {launcher: {workers: 1}}\n",
    "plain.yaml": "model: {hidden_size: 3}\n",
    "bare.yaml": "defaults: [/experiment/plain]\n",
}


@pytest.fixture
def points(tmp_path, monkeypatch, capfd):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    found = []

    def kept(points, *rest, **more):
        found.extend(points)
        return [0.0] * len(points)

    monkeypatch.setattr("gatelab.sweeps.training_call.train_points", kept)

    def ask(*words):
        found.clear()
        assert train(["--config-dir=mine", "logger=none", *words]) == 0
        capfd.readouterr()
        return [(point["optimizer"]["lr"], point["seed"], point["model"]["hidden_size"]) for point in found]

    return ask


@pytest.mark.parametrize("name", ["rates", "above", "beside"])
def test_all_of_it_counts(points, name):
    size = 64 if name == "rates" else 3
    expected = [(lr, seed, size) for lr in (1e-2, 1e-3) for seed in (0, 1, 2)]
    assert sorted(points("-m", f"+experiment={name}")) == sorted(expected)
    assert points("-m", f"+experiment={name}", "seed=7") == [(1e-2, 7, size), (1e-3, 7, size)]
    assert len(points("-m", f"+experiment={name}", "variant=gru,lstm")) == 12


def test_one_value_for_each_of_its_keys_is_a_single_run(points):
    assert points("+experiment=rates", "optimizer.lr=0.5", "seed=1") == [(0.5, 1, 64)]


def test_a_launcher_without_a_sweep_is_told(tmp_path, monkeypatch, capfd):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    launcher = "{workers: 1, submitit: {mem_gb: 4}, silent_minutes: null}"
    (folder / "workers.yaml").write_text(f"hydra: {{launcher: {launcher}}}\n")
    (folder / "above.yaml").write_text("defaults: [/experiment/workers, {override /hydra/launcher: stacked}]\n")
    monkeypatch.chdir(tmp_path)

    def checked(runs, sweep, options, executor, check, say, done):
        check(runs)
        return [Failure(run.identity, run.label, run.task.name, run.seed, "not trained", "", 1, "") for run in runs]

    monkeypatch.setattr("gatelab.sweeps.training_call.execute", checked)
    monkeypatch.setattr("gatelab.cli.train._print_outcomes", lambda trained: None)
    train(["--config-dir=mine", "logger=none", "task=adding", "+experiment=above", "hydra.launcher.workers=2"])
    assert [line for line in capfd.readouterr().err.splitlines() if "needs -m" in line] == [
        "note: hydra.launcher.workers=2 has no effect: a sweep needs -m",
        "note: hydra.launcher.silent_minutes=null has no effect: a sweep needs -m",
        "note: hydra.launcher.submitit.mem_gb=4 has no effect: a sweep needs -m",
    ]


def test_experiments_without_a_sweep_can_be_swept(points):
    assert points("-m", "+experiment=plain,bare") == [(1e-3, 0, 3)] * 2


SEVERAL = "has its own sweep, which counts only if it is the only experiment of a command"
REFUSED = {
    "+experiment=rates": "optimizer.lr=1e-2,1e-3 seed=range(3): the experiment brings a sweep, which needs -m",
    "+experiment=above": "the experiment brings a sweep, which needs -m",
    "+experiment=rates seed=1": "optimizer.lr=1e-2,1e-3: the experiment brings a sweep",
    "+experiment=search": "a search is asked for, which needs -m",
    "-m +experiment=rates,plain": f"experiment 'rates' {SEVERAL}",
    "-m +experiment=plain,above": f"experiment 'above' {SEVERAL}",
    "-m +experiment=plain,beside": f"experiment 'beside' {SEVERAL}",
    "-m +experiment=plain,search": f"experiment 'search' {SEVERAL}",
    "-m +experiment=plain,workers": f"experiment 'workers' {SEVERAL}",
    "-m +experiment=choice(rates)": f"experiment 'rates' {SEVERAL}",
    "-m +experiment=glob(r*)": f"experiment 'rates' {SEVERAL}",
    "-m +experiment=shuffle(plain,rates)": f"experiment 'rates' {SEVERAL}",
    "-m +experiment=weiss_2018/counting,plain": f"experiment 'weiss_2018/counting' {SEVERAL}",
    "-m hydra/sweeper=optuna_search +experiment=rates,plain": f"experiment 'rates' {SEVERAL}",
    "-m +experiment=[rates,plain]": "must be one experiment",
    "-m +experiment=rates +experiment=plain": "experiment is chosen twice; a command has one",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_would_be_dropped_is_refused(points, words):
    with pytest.raises(UserError) as error:
        points(*words.split())
    assert REFUSED[words] in str(error.value)


def test_a_run_composed_from_python_drops_no_sweep():
    with pytest.raises(UserError, match="the experiment brings a sweep, which needs -m"):
        composed(["+experiment=weiss_2018/counting"])
    assert composed(["+experiment=weiss_2018/counting", "variant=lstm", "seed=3"]).seed == 3


def test_a_sweep_of_wandb_drops_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="brings a sweep, which a sweep of W&B cannot have"):
        wandb_sweep(["+experiment=weiss_2018/counting", "optimizer.lr=1e-3,1e-2"])
