"""A sweep over a task from outside: workers get the permission, runs are resumed, and read without the package."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gatelab.cli.compare import compare
from gatelab.cli.train import train
from gatelab.cli.wandb_sweep import wandb_sweep
from gatelab.errors import UserError
from gatelab.permission import permitted
from gatelab.store import Store
from tests.outside.made_up import write_package

ROOT = Path(__file__).parents[2]
WORDS = ["-m", "--config-dir=mine", "task=own", "variant=lstm,gru", "seed=0,1", "logger=none", "progress=false",
         "training.max_steps=6", "training.validate_every=2", "training.batch_size=4",
         "model.hidden_size=3"]  # fmt: skip


@pytest.fixture
def mine(library, tmp_path):
    write_package(library)
    (tmp_path / "mine" / "task").mkdir(parents=True)
    (tmp_path / "mine" / "task" / "own.yaml").write_text("# Which bit came first.\nname: my_package.module:Own\n")
    return tmp_path


def sweep(folder, *words):
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), *WORDS, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def scores(folder):
    return {
        result.identity: (result.validation.score, result.test.score) for result in Store(folder / "runs").results()
    }


@pytest.mark.slow
def test_workers_train_it_and_a_run_that_is_missing_is_resumed(mine, capsys):
    refused = sweep(mine)
    assert (refused.returncode, "allow_import=my_package" in refused.stderr) == (2, True)
    workers = ["allow_import=my_package", "hydra.launcher.executor=processes", "hydra.launcher.workers=2"]
    done = sweep(mine, *workers, "stack.size=1")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    whole = scores(mine)
    assert len(whole) == 4
    again = sweep(mine, *workers)
    assert (again.returncode, scores(mine)) == (0, whole)
    first = sorted(whole)[0]
    (mine / "runs" / first / "result.json").unlink()
    assert sweep(mine, *workers).returncode == 0
    assert scores(mine) == whole
    # without the package: what needs no class is all there
    shutil.rmtree(mine / "library")
    assert compare(["runs=runs", "baseline=lstm", "out=report"]) == 0
    assert "my_package.module:Own" in capsys.readouterr().out
    assert json.loads((mine / "runs" / first / "result.json").read_text())["task"] == "my_package.module:Own"


def test_an_agent_of_a_search_gets_the_words_that_allow_it(mine):
    words = ["--config-dir=mine", "task=own", "optimizer.lr=choice(0.1,0.2)", "logger=wandb", "allow_import=my_package"]
    with permitted(words) as rest:
        assert wandb_sweep(rest) == 0
    assert "- allow_import=my_package\n" in (mine / "sweep.yaml").read_text()


def test_one_run_in_this_process(mine):
    words = [word for word in WORDS[1:] if "," not in word]
    with pytest.raises(UserError, match=r"allow_import=my_package"):
        train(words)
    with permitted([*words, "allow_import=my_package"]) as rest:
        assert train(rest) == 0
    assert len(scores(mine)) == 1
