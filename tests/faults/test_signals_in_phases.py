"""Ctrl-C and SIGTERM in every phase of a sweep: the documented status, no traceback, nothing held, the same bits."""

import os
import signal
import subprocess
import sys

import pytest

from gatelab.paths.native import build
from gatelab.store import Store
from gatelab.store.lease.lease import take_claim
from tests.faults.sweeping import ROOT, SMALL
from tests.training.examples import outcome

# sends a signal to itself when a function is called as often as is asked
SIGNALLED = """
import importlib, os, sys
from gatelab.cli import entry

module, name, passage, number = sys.argv[1:5]

def train(arguments):
    from gatelab.cli.train import train

    place = importlib.import_module(module)
    *above, last = name.split(".")
    for part in above:
        place = getattr(place, part)
    function, calls = getattr(place, last), []

    def called(*arguments, **options):
        calls.append(1)
        if len(calls) == int(passage):
            os.kill(os.getpid(), int(number))
        return function(*arguments, **options)

    setattr(place, last, called)
    return train(arguments)

entry.run(train, sys.argv[5:])
"""
WORDS = [
    *SMALL, "hydra.launcher.executor=inline", "variant=lstm,gru", "seed=range(2)", "training.max_steps=12",
    "training.validate_every=4", "stack.size=2",
]  # fmt: skip
PHASES = {
    "composing": ("gatelab.cli.train", "train_points", 1),
    "checking": ("gatelab.sweeps.feasibility", "needed", 1),
    "planning": ("gatelab.sweeps.plan", "automatic_size", 1),
    "handing out": ("gatelab.sweeps.scheduler", "Campaign._submit", 1),
    "compiling": ("gatelab.paths.native.build", "compile_library", 1),
    "claiming": ("gatelab.store.store", "take_claim", 2),
    "beginning": ("gatelab.training.stack_fit", "begin", 1),
    "training": ("gatelab.training.lightning_module", "StackModule.training_step", 6),
    "validating": ("gatelab.training.lightning_module", "StackModule.validation_step", 2),
    "a checkpoint": ("gatelab.store.record", "Record.write_checkpoint", 3),
    "testing": ("gatelab.training.stack_fit", "measure_test", 1),
    "writing a result": ("gatelab.store.record", "sealed_result", 1),
    "between stacks": ("gatelab.sweeps.scheduler", "Campaign._submit", 2),
    "waiting for another": ("gatelab.sweeps.scheduler", "Campaign._look_elsewhere", 1),
}
"""Phase -> a function that is called in it: its module, its name, and which of its calls."""


def launch(folder, *command):
    return subprocess.run(
        [sys.executable, *command, *WORDS],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "OMP_NUM_THREADS": "1",
            build.CACHE_VARIABLE: str(folder / "cache"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def plain(folder):
    """Launch as a user does, and return what became of each run."""
    ended = launch(folder, str(ROOT / "scripts" / "train.py"))
    assert ended.returncode == 0, ended.stderr
    results = Store(folder / "runs").results()
    return {result.identity: outcome(folder / "runs", result.identity) for result in results}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return plain(tmp_path_factory.mktemp("whole"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_in_a_phase(whole, tmp_path, phase, number):
    claims = []
    if phase.startswith("waiting"):  # this process has a run, and is alive
        for identity in list(whole)[:1]:
            (tmp_path / "runs" / identity).mkdir(parents=True)
            claims.append(take_claim(tmp_path / "runs" / identity))
    module, name, passage = PHASES[phase]
    ended = launch(tmp_path, "-c", SIGNALLED, module, name, str(passage), str(int(number)))
    assert ended.returncode == 128 + number, ended.stderr
    assert "Traceback" not in ended.stderr
    *_, last = ended.stderr.splitlines()
    assert last == "interrupted" or last.startswith("stopped: ")
    for claim in claims:
        claim.release()
    store = Store(tmp_path / "runs")
    assert [identity for identity in whole if store.owner(identity) is not None] == []
    assert plain(tmp_path) == whole
