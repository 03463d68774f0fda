"""A process that dies at any of the named places loses nothing and repeats nothing."""

import json
import subprocess
import sys

import pytest

from gatelab.runs import CRASH_POINTS, crash_point

# Importing torch and Lightning takes seconds, and there are many deaths to die: one process imports, and its children,
# forked before it has done anything, train.
DRIVER = """
import json, os, sys
from pathlib import Path

import torch
torch.set_num_threads(1)
from gatelab.runs import CRASH_POINTS, Store
from gatelab.training import recording, train_stack
from tests.training.examples import configuration, outcome
import tests.training.test_divergence  # imported once, for what it brings along

recording.SHARE = 1.0
TRAINING = {"max_steps": 5, "validate_every": 2}


def runs(folder):
    return [configuration(folder, seed=seed, training=TRAINING) for seed in (0, 1)]


def launched(folder, crash):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if crash:
                os.environ["GATELAB_CRASH"] = crash
            steps = [result.steps for result in train_stack(runs(folder))]
            status = 0 if steps == [5, 5] else 2
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def results(folder):
    found = {}
    for run in runs(folder):
        path = folder / run.identity / "result.json"
        if path.exists():
            found[run.identity] = path.read_bytes()
    return found


def everything(folder):
    return [outcome(folder, run.identity) for run in runs(folder)]


folder = Path(sys.argv[1])
assert launched(folder / "whole", None) == 0
whole = everything(folder / "whole")
for number, (point, before) in enumerate(json.loads(sys.argv[2])):
    place = folder / str(number)
    statuses, faults = [], []
    for crash in (*([before] if before else []), point, None):
        done = results(place)
        statuses.append(launched(place, crash))
        if {name: data for name, data in results(place).items() if name in done} != done:
            faults.append("a finished run was trained again")
    if everything(place) != whole:
        faults.append("the runs are not the same")
    left = [path.name for path in place.rglob("*") if path.name.startswith((".", "claim", "previous"))]
    # what a kill leaves half written goes when the run is opened again, and a finished run is not
    if point.split(":")[0] not in ("after finish", "after sync result.json", "after rename result.json",
                                   "before release"):
        faults += left
    print(json.dumps({"point": point, "statuses": statuses, "faults": faults}), flush=True)
"""

RESUMING = ("before takeover", "after takeover", *(name for name in CRASH_POINTS if name.endswith("metrics.jsonl")))
"""Places that are passed only where a run was killed before."""
TWICE = ("after append", "after rename last.pt", "after aside last.pt", "before claim", "after finish")


def died(tmp_path, cases):
    command = [sys.executable, "-c", DRIVER, str(tmp_path), json.dumps(cases)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    reports = [json.loads(line) for line in process.stdout.splitlines()]
    assert [report["point"] for report in reports] == [point for point, _ in cases]
    for (_, before), report in zip(cases, reports, strict=True):
        assert report["statuses"] == [*([137] if before else []), 137, 0], report
        assert report["faults"] == [], report


def test_some_places(tmp_path):
    died(tmp_path, [(point, None) for point in (*TWICE, "after rename result.json")])


@pytest.mark.slow
def test_every_place_where_a_run_begins(tmp_path):
    places = [(point, None) for point in CRASH_POINTS if point not in RESUMING]
    died(tmp_path, places + [(f"{point}:2", None) for point in TWICE])


@pytest.mark.slow
def test_every_place_where_a_run_is_resumed(tmp_path):
    passed = (*RESUMING, "before claim", "after claim", "after last step", "before append", "after aside last.pt")
    died(tmp_path, [(point, "after sync last.pt:2") for point in passed])


def test_a_name_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("GATELAB_CRASH", "before claim")
    with pytest.raises(ValueError, match="not among the crash points"):
        crash_point("before lunch")
