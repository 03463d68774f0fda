"""Damaged runs in a store: left out of a comparison with a count, and trained again by the command that is printed."""

import json
import shlex

import pytest

from gatelab.cli.compare import compare
from gatelab.store import Store
from gatelab.sweeps import execute
from gatelab.training import train_stack
from tests.training.examples import configuration, outcome


@pytest.fixture
def runs(tmp_path):
    runs = [configuration(tmp_path / "runs", variant, seed=seed) for variant in ("lstm", "gru") for seed in (0, 1)]
    for run in runs:
        train_stack([run])
    return runs


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def unsealed(path):
    mapping = json.loads(path.read_text())
    del mapping["seal"]
    path.write_text(json.dumps(mapping, indent=2) + "\n")


@pytest.mark.parametrize("name", ["result.json", "metrics.jsonl"])
def test_a_comparison_leaves_a_damaged_run_out_and_says_so(tmp_path, capsys, name):
    runs = [configuration(tmp_path / "runs", variant, seed=seed) for variant in ("lstm", "gru") for seed in (0, 1)]
    train_stack(runs[:2])
    train_stack(runs[2:])
    broken = tmp_path / "runs" / runs[3].identity / name
    flip(broken)
    assert compare([f"runs={tmp_path / 'runs'}", f"out={tmp_path / 'report'}", "baseline=lstm"]) == 0
    printed = capsys.readouterr().out
    assert "3 runs: 3 finished, 0 diverged" in printed
    assert "1 finished run is damaged and left out of every number (of any task)." in printed
    assert f"\n{broken}: damaged" in printed
    command = f"python scripts/store.py runs={tmp_path / 'runs'} retrain=damaged"
    assert f"\ntrained again by: {command}" in printed
    page = (tmp_path / "report" / "index.html").read_text()
    assert "1 finished run is damaged and left out of every number (of any task)." in page
    assert shlex.join(shlex.split(command)) in page
    assert runs[3].identity in page.split("What is damaged")[1]


@pytest.mark.parametrize("name", ["config.yaml", "metrics.jsonl"])
def test_so_does_one_of_runs_of_before_there_were_seals(runs, tmp_path, capsys, name):
    for run in runs:
        unsealed(tmp_path / "runs" / run.identity / "result.json")
    # the configuration that is read is that of the first run of each setting
    path = tmp_path / "runs" / runs[2].identity / name
    path.write_bytes(path.read_bytes().replace(b"seed: 0", b"seed: 5").replace(b'"step": 3', b'"step" 3'))
    assert compare([f"runs={tmp_path / 'runs'}", f"out={tmp_path / 'report'}", "baseline=lstm"]) == 0
    printed = capsys.readouterr().out
    assert "3 runs: 3 finished, 0 diverged" in printed
    assert "1 finished run is damaged and left out" in printed
    assert "1 finished run is damaged and left out" in (tmp_path / "report" / "index.html").read_text()


@pytest.mark.parametrize("name", ["result.json", "config.yaml", "metrics.jsonl", "provenance.json"])
def test_a_launch_that_meets_a_damaged_run_trains_it_again(tmp_path, capsys, name):
    runs = [configuration(tmp_path / "runs", seed=seed) for seed in (0, 1)]
    train_stack(runs)
    whole = [outcome(tmp_path / "runs", run.identity) for run in runs]
    untouched = (tmp_path / "runs" / runs[0].identity / "result.json").stat().st_mtime_ns
    broken = tmp_path / "runs" / runs[1].identity / name
    flip(broken)
    results = execute(runs)
    assert [result.seed for result in results] == [0, 1]
    printed = capsys.readouterr().err
    assert f"{broken}: damaged" in printed
    assert "; the run is trained again\n" in printed
    assert [outcome(tmp_path / "runs", run.identity) for run in runs] == whole
    assert (tmp_path / "runs" / runs[0].identity / "result.json").stat().st_mtime_ns == untouched
    assert [Store(tmp_path / "runs").damage(run.identity) for run in runs] == [None, None]


def test_a_launch_removes_the_claims_on_its_finished_runs(tmp_path):
    run = configuration(tmp_path / "runs")
    train_stack([run])
    left = tmp_path / "runs" / run.identity / "claim-000001.json"
    left.write_text("")
    assert [result.seed for result in execute([run])] == [0]
    assert not left.exists()
