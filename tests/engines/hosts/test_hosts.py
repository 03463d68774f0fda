"""Launchers on machines of different names, with clocks that differ by minutes, over one store: ``make test-hosts``.

The machines are made up: processes with a host name of their own (as root), and a Python whose clock is shifted.
"""

import json
import signal

import pytest

from tests.engines.commands import TINY, Started, ended, here, started, trained, until

pytestmark = pytest.mark.engine

SWEEP = (*TINY, "variant=lstm,gru", "seed=0,1", "training.max_steps=400000", "training.validate_every=2000")
CLOCK = """
import os, time
_time, _monotonic = time.time, time.monotonic
time.time = lambda: _time() + {seconds}
time.monotonic = lambda: _monotonic() + 61 * os.path.exists({later!r})
"""


@pytest.fixture
def launched(tmp_path):
    """Start the sweep on a machine with a clock that is so many seconds ahead; return its process.

    Where a file "later" is beside the runs, a minute has passed on all machines.
    """
    with Started(*SWEEP, f"runs_dir={tmp_path / 'runs'}", "hydra.launcher.executor=inline") as start:

        def launch(host, ahead):
            clock = tmp_path / host
            clock.mkdir(exist_ok=True)
            (clock / "sitecustomize.py").write_text(CLOCK.format(seconds=ahead, later=str(tmp_path / "later")))
            named = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', host)
            return start(before=named, PYTHONPATH=str(clock))

        yield launch


def owners(runs):
    """The machines that have claimed a run."""
    found = set()
    for path in runs.glob("*/claim-*.json"):
        try:
            found.add(json.loads(path.read_text())["host"])
        except FileNotFoundError:
            continue
    return found


@pytest.mark.parametrize("ahead", [300, -420])
def test_two_machines_train_each_run_once(launched, tmp_path, ahead):
    one = launched("alpha", 0)
    until(lambda: owners(tmp_path / "runs") == {"alpha"})
    for process in (one, launched("beta", ahead)):
        status, _, stderr = ended(process, 400)
        assert status == 0
        assert not [line for line in stderr if "taken over" in line]
    assert trained(tmp_path / "runs") == here(tmp_path, *SWEEP)


@pytest.mark.in_ci
def test_a_machine_that_is_gone_is_replaced_after_a_minute(launched, tmp_path):
    one = launched("alpha", 300)
    until(lambda: started(tmp_path / "runs"))
    one.send_signal(signal.SIGKILL)
    one.communicate()
    assert len(trained(tmp_path / "runs")) < 4
    other = launched("beta", -420)
    # not before: by its clock the claim is twelve minutes in the future, by another's it would be as old
    line = next(line for line in other.stderr if "on alpha since" in line)
    assert "taken over if alpha gives no sign of life for a minute" in line
    assert "alpha" in owners(tmp_path / "runs")
    (tmp_path / "later").touch()
    assert ended(other, 400)[0] == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *SWEEP)
