"""The file of a W&B sweep: its parameters, its metric, and a command whose words are overrides that compose."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gatelab.cli import entry
from gatelab.cli.wandb_sweep import wandb_sweep
from gatelab.configuration import composed
from gatelab.store import Store
from gatelab.training.loggers import loggers

ROOT = Path(__file__).parents[2]
LR = "optimizer.lr=tag(log,interval(1e-4,1e-1))"
PARAMETERS = {
    LR: {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
    "model.dropout=interval(0,0.5)": {"distribution": "uniform", "min": 0.0, "max": 0.5},
    "model.num_layers=range(1,4)": {"distribution": "int_uniform", "min": 1, "max": 3},
    "model.hidden_size=int(tag(log,interval(8,64)))": {
        "distribution": "q_log_uniform_values", "q": 1, "min": 8, "max": 64,
    },
    "model.hidden_size=range(10,31,10)": {"values": [10, 20, 30]},
    "model.dropout=range(0,0.5,0.25)": {"values": [0.0, 0.25]},
    "variant=lstm,gru": {"values": ["lstm", "gru"]},
    "model.bidirectional=true,false": {"values": ["true", "false"]},
    "training.clip_norm=1.0,null": {"values": [1.0, "null"]},
    "variant.equations.f=1 - i,sigmoid(linear(x, h))": {"values": ['"1 - i"', '"sigmoid(linear(x, h))"']},
}  # fmt: skip


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """Write a sweep in a folder of its own; return the file's content and what was printed."""
    monkeypatch.chdir(tmp_path)

    def written(*arguments):
        assert wandb_sweep([*arguments]) == 0
        return yaml.safe_load((tmp_path / "sweep.yaml").read_text()), capsys.readouterr().out

    return written


def agent_words(content, chosen):
    """The words of the job that an agent would start."""
    every = [f"{key}={value}" for key, value in chosen.items()]
    macros = {"${env}": ["/usr/bin/env"], "${program}": [content["program"]], "${args_no_hyphens}": every}
    return [word for part in content["command"] for word in macros.get(part, [part])]


def test_the_whole_file(sweep):
    content, printed = sweep(
        "task=adding", LR, "variant=lstm,gru", "sweep.name=rates", "sweep.count=20", "logger.wandb.project=gates",
        "logger.wandb.entity=us", "logger.wandb.mode=offline",
    )  # fmt: skip
    assert content == {
        "program": "scripts/train.py",
        "method": "bayes",
        "name": "rates",
        "metric": {"name": "validation/best_score", "goal": "minimize"},
        "parameters": {"optimizer.lr": PARAMETERS[LR], "variant": {"values": ["lstm", "gru"]}},
        "command": [
            "${env}", "python", "${program}", "task=adding", "logger.wandb.project=gates", "logger.wandb.entity=us",
            "logger.wandb.mode=online", "${args_no_hyphens}",
        ],
    }  # fmt: skip
    assert printed == (
        "written: sweep.yaml\n\n"
        "wandb sweep --project gates --entity us sweep.yaml\n"
        "wandb agent --count 20 us/gates/SWEEP_ID   # the first command prints SWEEP_ID\n"
    )


@pytest.mark.parametrize("override", PARAMETERS)
def test_a_parameter(sweep, override):
    content, _ = sweep("task=adding", override)
    assert content["parameters"] == {override.split("=", 1)[0]: PARAMETERS[override]}


@pytest.mark.parametrize("override", [word for word in PARAMETERS if "interval" not in word])
def test_an_agents_command_composes(sweep, override):
    content, _ = sweep("task=adding", override, "sweep.method=grid")
    for key, description in content["parameters"].items():
        for value in description["values"]:
            assert composed(agent_words(content, {key: value})[3:]).task.name == "adding"


def test_a_score_to_maximise(sweep):
    assert sweep("task=digits", LR)[0]["metric"]["goal"] == "maximize"


def test_the_metric_is_one_that_a_run_reports():
    assert '"validation/best_score": result.validation.score' in Path(loggers.__file__).read_text()


def test_a_folder_of_ones_own(sweep, tmp_path):
    (tmp_path / "mine" / "variant").mkdir(parents=True)
    (tmp_path / "mine" / "variant" / "mine.yaml").write_text("name: mine\nstate: [h]\nequations: {h: tanh(linear(x))}")
    content, _ = sweep("--config-dir=mine", "variant=mine,lstm", "task=adding")
    assert content["command"][3] == f"--config-dir={tmp_path}/mine"


def test_seeds_belong_into_a_grid(sweep):
    content, _ = sweep("seed=range(3)", "variant=lstm,gru", "sweep.method=grid")
    assert content["parameters"]["seed"] == {"values": [0, 1, 2]}


REFUSED = {
    "": "nothing to sweep: give a key an interval, a range or several values",
    "seed=range(3)": "seed: a seed is nothing to choose; sweep.method=grid trains every point with every seed",
    f"{LR} sweep.method=grid": f"{LR}: a grid needs separate values, such as a,b,c or range(…)",
    f"{LR} sweep.method=bays": "sweep.method=bays: must be 'bayes', 'random' or 'grid' (did you mean 'bayes'?)",
    f"{LR} sweep.cuont=3": "unknown key 'sweep.cuont' (did you mean 'sweep.count'?) in "
    "'sweep.cuont=3'; keys are sweep.method, ",
    f"{LR} sweep.count=0": "sweep.count=0: must be an integer of at least 1",
    f"{LR} sweep.out=": "sweep.out=: must be a path",
    f"{LR} sweep.out=no/such/x.yaml": "sweep.out=no/such/x.yaml: cannot be written: No such file or directory",
    f"{LR} logger=none": "logger: W&B sees no run of this sweep; it needs logger=wandb, the default",
    f"{LR} -m": "-m: the only flags here are --config-dir=FOLDER and --help",
    "task=adding,digits": "task: a sweep compares the scores of one task",
    "optimizer.lr=interval(-1,1)": "optimizer.lr=-1: must be at least 0",
    "optimizer.lr=interval(1,0)": "optimizer.lr=interval(1,0): the first end must be below the second, and both finite",
    "variant=lstm,cfig": "unknown variant 'cfig' (did you mean 'cifg'?); `python scripts/catalogue.py` ",
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_refused_in_one_line_and_nothing_written(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        entry.run(wandb_sweep, arguments.split())
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert printed.err.startswith(REFUSED[arguments]), printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_agents_command_trains(sweep, tmp_path):
    small = ["task.length=5", "task.validation_size=8", "task.test_size=8", "model.hidden_size=3"]
    content, _ = sweep("task=adding", "training.max_steps=2", *small, LR, "runs_dir=of_agents")
    words = agent_words(content, {"optimizer.lr": 0.01})
    # without the network: what the agent would have online stays on the disk
    words = ["logger.wandb.mode=disabled" if word == "logger.wandb.mode=online" else word for word in words]
    script = [sys.executable, str(ROOT / words[2]), *words[3:]]
    subprocess.run(script, check=True, capture_output=True, cwd=tmp_path)
    (result,) = Store(tmp_path / "of_agents").results()
    assert result.settings["optimizer.lr"] == 0.01


def test_help(capsys):
    assert wandb_sweep(["--help"]) == 0
    assert "sweep.method=NAME" in capsys.readouterr().out
