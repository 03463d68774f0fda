"""Sweeps from the command line: planned, refused, trained, reported, and fast when there is nothing to do."""

import errno
import io
import json
import os
import re
import subprocess
import sys

import pytest

from gatelab.cli.train import train
from gatelab.configuration.quick import QuickComposition
from gatelab.errors import UserError
from gatelab.store import Store
from gatelab.store.faults import VARIABLE
from gatelab.sweeps import training_call
from gatelab.sweeps.estimate import Estimate
from hydra_plugins.gatelab_stacked_launcher import _size
from tests.faults.sweeping import SMALL

TINY = [*SMALL, "hydra.launcher.executor=inline", "training.max_steps=4", "training.validate_every=2", "progress=false"]


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        status = train([*TINY, *arguments])
        return status, capsys.readouterr()

    return run


def test_what_failed_is_in_a_table_of_its_own_and_in_the_exit_status(sweep, monkeypatch):
    monkeypatch.setenv(VARIABLE, "raise:1")
    status, printed = sweep("seed=range(3)")
    assert status == 1
    assert "RuntimeError: injected" in printed.out
    assert "1 of 3 runs failed; the same command tries them again\n" in printed.out
    assert "Error executing job" not in printed.err
    monkeypatch.delenv(VARIABLE)
    status, printed = sweep("seed=range(3)")
    assert (status, "failed because" in printed.out) == (0, False)


class Refusing(io.StringIO):
    """A file that opens and takes nothing; the error does not name it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("opens", [True, False])
def test_a_disk_that_takes_no_configuration_of_the_sweep_is_one_line(sweep, tmp_path, monkeypatch, number, opens):
    whole = io.open

    def refusing(file, *arguments, **options):
        if not str(file).endswith("multirun.yaml"):
            return whole(file, *arguments, **options)
        if opens:
            return Refusing(number)
        raise OSError(number, os.strerror(number), str(file))

    monkeypatch.setattr(io, "open", refusing)  # as OmegaConf opens files
    with pytest.raises(UserError, match=rf"multirun.yaml: cannot be written: .*{os.strerror(number)}"):
        sweep("seed=range(3)")
    assert list(tmp_path.rglob("*.json")) == []


def test_many_points_are_counted_before_any_is_composed(sweep, monkeypatch, capsys):
    composed = []

    def append(self, points, words):
        composed.append(words)
        raise UserError("enough")

    monkeypatch.setattr(QuickComposition, "append", append)
    monkeypatch.setattr(training_call, "_MANY", 5)
    with pytest.raises(UserError, match="enough"):
        sweep("seed=range(4)")
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match="enough"):
        sweep("seed=range(5)")
    assert re.fullmatch(r"\d\d:\d\d 0 of 5 points composed\n", capsys.readouterr().err)
    assert len(composed) == 2


def test_the_plan_trains_nothing(sweep, tmp_path):
    words = ["variant=lstm,gru", "seed=range(4)", "stack.size=2", "plan_only=true", "hydra.launcher.workers=1"]
    status, printed = sweep(*words)
    assert status == 0
    plan, total, costs, whole = printed.out.rstrip("\n").split("\n\n")
    header, _, *kinds = plan.splitlines()
    assert header.split() == ["stacks", "variant", "task", "runs", "steps"]
    assert [kind.split() for kind in kinds] == [["2", "lstm", "adding", "2", "4"], ["2", "gru", "adding", "2", "4"]]
    assert total == "0 runs are finished, 8 are to be trained in 4 stacks"
    first, lstm, gru = costs.splitlines()
    assert first == "what each of the 2 kinds of stacks will cost, from a few steps:"
    number = r"[\d.]+"
    for line, name in ((lstm, "lstm"), (gru, "gru")):
        cost = rf"{number} ms a step, 2 × {number} (s|min|h), {number} GB"
        assert re.fullmatch(rf"  {name} on adding, 2 runs together: {cost}", line)
    assert whole.startswith("in all about ")
    assert list(tmp_path.iterdir()) == []


def test_the_plan_says_which_settings_make_other_stacks(sweep, monkeypatch):
    monkeypatch.setattr("gatelab.sweeps.estimate.estimate", lambda kind, executor, folder: Estimate(1.0, 0.1, 2**30))
    words = ["model.hidden_size=2,3", "optimizer.lr=0.1,0.2", "plan_only=true", "hydra.launcher.workers=2"]
    plan, total, costs, whole = sweep(*words)[1].out.rstrip("\n").split("\n\n")
    assert plan.splitlines()[2:] == [
        "     1  lstm     adding  model.hidden_size=2     2      4",
        "     1  lstm     adding  model.hidden_size=3     2      4",
    ]
    assert total == "0 runs are finished, 4 are to be trained in 2 stacks"
    cost = "2 runs together: 100.0 ms a step, 1.0 s, 1.00 GB"
    assert costs.splitlines()[1:] == [f"  lstm on adding model.hidden_size={size}, {cost}" for size in (2, 3)]
    assert whole == "in all about 2.0 s"


def test_the_largest_kinds_are_tried_until_it_takes_too_long(sweep, monkeypatch):
    asked = []

    def estimate(kind, executor, folder):
        asked.append(kind.runs[0].model.hidden_size)
        return Estimate(10.0, 0.1, 2**30)

    monkeypatch.setattr("gatelab.sweeps.estimate.estimate", estimate)
    monkeypatch.setattr("gatelab.sweeps.estimate._LONGEST", -1.0)
    monkeypatch.setattr("gatelab.sweeps.estimate._FEW", 2)
    words = ["model.hidden_size=2,8,4", "plan_only=true", "hydra.launcher.workers=1"]
    *_, whole = sweep(*words)[1].out.rstrip("\n").split("\n\n")
    assert asked == [8]
    seconds, said = whole.removeprefix("in all about ").split(" s; ")
    assert 10 < float(seconds) < 20
    assert said == ("2 kinds were not tried, for that takes too long: as much for their size as the others is supposed")


def test_the_table_of_a_large_sweep_is_not_printed(sweep, monkeypatch):
    monkeypatch.setattr("gatelab.cli.train._MOST_ROWS", 2)
    printed = sweep("seed=range(3)", "training.max_steps=1")[1].out
    assert "3 runs have ended; python scripts/compare.py runs=runs shows them\n" in printed
    assert "identity" not in printed
    assert "mean ± sd" in printed


def test_a_sweep_of_a_million_points_is_counted_and_refused(sweep, tmp_path):
    with pytest.raises(UserError, match=r"^1,000,000 points: more than 100,000, the most that a sweep may have; "):
        sweep("variant=lstm,gru", "seed=range(500000)")
    with pytest.raises(UserError, match=r"^1,000,000,000 points: more than 100,000, "):
        sweep("seed=range(1000000000)")
    assert list(tmp_path.iterdir()) == []


def test_other_launchers_and_sweepers_are_bounded_too(sweep, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"^1,000,000 points: more than 100,000, "):
        train([*SMALL, "hydra/launcher=basic", "seed=range(1000000)"])
    # a sweeper that asks for points as it goes
    monkeypatch.setattr(_size, "_BASIC", "another")
    with pytest.raises(UserError, match=r"^4 points: more than 3, .*; raise hydra.launcher.most_points for a sweeper "):
        sweep("seed=range(4)", "hydra.launcher.most_points=3")
    assert list(tmp_path.iterdir()) == []


def test_the_most_points_of_a_sweep_can_be_set(sweep, tmp_path):
    with pytest.raises(UserError, match=r"^4 points: more than 3, .* raise hydra.launcher.most_points$"):
        sweep("seed=range(4)", "hydra.launcher.most_points=3")
    with pytest.raises(UserError, match=r"^hydra.launcher.most_points=many: must be an integer of at least 1$"):
        sweep("seed=range(4)", "hydra.launcher.most_points=many")
    assert list(tmp_path.iterdir()) == []


def test_the_plan_of_a_finished_sweep(sweep):
    sweep("seed=1,2")
    assert sweep("seed=1,2", "plan_only=true")[1].out == "2 runs are finished, nothing is to be trained\n"


def test_an_overlapping_grid_trains_what_is_missing(sweep, tmp_path):
    sweep("seed=1,2")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/result.json")}
    sweep("seed=range(4)")
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/result.json")}
    assert len(before) == 2 and len(after) == 4
    assert before.items() <= after.items()


def test_a_wrong_option_of_the_launcher_is_refused_before_anything_starts(sweep, tmp_path):
    from gatelab.errors import UserError

    with pytest.raises(UserError, match=r"hydra.launcher.retries=-1: must be at least 0"):
        sweep("seed=1,2", "hydra.launcher.retries=-1")
    assert list(tmp_path.iterdir()) == []


def test_an_optimizer_that_torch_refuses_is_named_with_its_point(sweep, tmp_path):
    from gatelab.errors import UserError

    with pytest.raises(UserError, match=r"^unknown key 'optimizer.mommentum'.*\(point 1 of 2: seed=1\)$"):
        sweep("seed=1,2", "+optimizer.mommentum=1")
    assert list(tmp_path.iterdir()) == []


def test_a_finished_sweep_launched_again_does_not_even_import_torch(sweep, tmp_path):
    arguments = [*TINY, "seed=range(8)", "variant=lstm,gru"]
    assert train(arguments) == 0
    assert len(Store(tmp_path / "runs").results()) == 16
    program = """
import json, sys
from gatelab.cli.train import train
from gatelab.errors import UserError
status = train(json.loads(sys.argv[1]))
print(json.dumps([status, sorted({"torch", "pytorch_lightning"} & set(sys.modules))]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, json.dumps(arguments)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert json.loads(ended.stdout.splitlines()[-1]) == [0, []]
