"""A request on a run that is finished says that nothing was trained, and what was asked for in vain."""

import pytest

from gatelab.cli.train import train
from gatelab.store import Store
from tests.faults.sweeping import SMALL

ONE = [*SMALL[1:], "training.max_steps=2", "training.validate_every=1", "progress=false", "path=loop"]
SWEEP = ["-m", *ONE, "hydra.launcher.executor=inline"]


@pytest.fixture
def notes(tmp_path, monkeypatch, capfd):
    """Train with some arguments; return the notes on stderr."""
    monkeypatch.chdir(tmp_path)

    def train_and_listen(*arguments):
        assert train(list(arguments)) == 0
        return [line.removeprefix("note: ") for line in capfd.readouterr().err.splitlines() if "finished" in line]

    return train_and_listen


def test_a_single_run(notes, tmp_path):
    assert notes(*ONE) == []
    (result,) = Store("runs").results()
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    finished = f"run {result.identity} is finished: nothing was trained"
    assert notes(*ONE) == [finished]
    assert notes(*ONE, "logger=csv", "path=native", "threads=2", "stack.size=1") == [
        f"{finished}, and nothing was done for path=native (it took loop), threads=2, stack.size=1, logger=csv; "
        "another runs_dir trains again"
    ]
    # what was taken is what was asked for, or any would do
    assert notes(*ONE, "path=auto", "logger.wandb.mode=disabled", "logger=wandb") == [finished]
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_a_sweep_is_told_once_with_counts(notes):
    assert notes(*SWEEP, "seed=1,2") == []
    assert notes(*SWEEP, "seed=1,2") == ["all 2 runs are finished: nothing was trained"]
    assert notes(*SWEEP, "seed=1,2,3") == []
    assert notes(*SWEEP, "seed=range(1,6)", "logger=csv") == [
        "3 of 5 runs are finished and were not trained again, and nothing was done for logger=csv (3 runs); another "
        "runs_dir trains again"
    ]
    assert notes(*SWEEP, "seed=range(1,6)", "logger=csv") == [
        "all 5 runs are finished: nothing was trained, and nothing was done for logger=csv (3 runs); another runs_dir "
        "trains again"
    ]


def test_options_of_a_logger_that_it_had(notes):
    wandb = [*ONE, "logger=wandb"]
    notes(*wandb)
    (line,) = notes(*wandb, "logger.wandb.project=other")
    assert line.endswith("nothing was done for logger.wandb.project=other; another runs_dir trains again")
