"""Launchers on machines of different names, with clocks that differ by minutes, over one store: ``make test-hosts``.

The machines are made up: processes with a host name of their own (as root), and a Python whose clock is shifted.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gatelab.store import Store
from tests.engines.commands import TINY, Started, ended, here, started, trained, until

pytestmark = pytest.mark.engine

HERE = Path(__file__).parent
SWEEP = (*TINY, "variant=lstm,gru", "seed=0,1", "training.max_steps=400000", "training.validate_every=2000")
# of seconds: long enough to be killed in the middle of its first stack
SHORTER = ("training.max_steps=30000", "training.validate_every=300")
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

        def launch(host, ahead, *words):
            clock = tmp_path / host
            clock.mkdir(exist_ok=True)
            (clock / "sitecustomize.py").write_text(CLOCK.format(seconds=ahead, later=str(tmp_path / "later")))
            named = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', host)
            return start(*words, before=named, PYTHONPATH=str(clock))

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
        assert not [line for line in stderr if "was taken over" in line]
    assert trained(tmp_path / "runs") == here(tmp_path, *SWEEP)


@pytest.mark.in_ci
def test_a_machine_that_is_gone_is_replaced_after_a_minute(launched, tmp_path):
    one = launched("alpha", 300, *SHORTER)
    until(lambda: started(tmp_path / "runs"))
    one.send_signal(signal.SIGKILL)
    one.communicate()
    assert len(trained(tmp_path / "runs")) < 4
    other = launched("beta", -420, *SHORTER)
    # not before: by its clock the claim is twelve minutes in the future, by another's it would be as old
    line = next(line for line in other.stderr if "on alpha since" in line)
    assert "taken over if alpha gives no sign of life for a minute" in line
    assert "alpha" in owners(tmp_path / "runs")
    (tmp_path / "later").touch()
    assert ended(other, 400)[0] == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *SWEEP, *SHORTER)


@pytest.fixture
def mounted(tmp_path):
    """Two mounts of one folder by sshfs, with caches of their own, and the folder."""
    folder, places = tmp_path / "shared", [tmp_path / "of alpha", tmp_path / "of beta"]
    folder.mkdir()
    subprocess.run([HERE / "shared.sh", "mount", folder, *places], check=True)
    yield folder, places
    subprocess.run([HERE / "shared.sh", "unmount", *places], check=True)


CLAIMING = """
import sys
from pathlib import Path
from gatelab.store import Store
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(*(name for name in sys.argv[2:] if store.claim(name)))
"""


def test_a_run_is_claimed_once_over_sshfs(mounted):
    folder, places = mounted
    names = [f"{number:016x}" for number in range(100)]
    for name in names:
        (folder / name).mkdir()
    several = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMING, place, *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for place in places * 2
    ]
    for process in several:
        process.stdout.readline()
    for process in several:
        process.stdin.write("now\n")
        process.stdin.flush()
    claimed = [name for process in several for name in process.communicate(timeout=60)[0].split()]
    assert sorted(claimed) == names


def test_two_machines_train_each_run_once_in_a_folder_shared_by_sshfs(launched, mounted, tmp_path):
    folder, places = mounted
    both = [launched(host, 0, f"runs_dir={place}") for host, place in zip(("alpha", "beta"), places, strict=True)]
    for process in both:
        status, _, stderr = ended(process, 400)
        assert status == 0
        assert not [line for line in stderr if "was taken over" in line]
    assert trained(folder) == here(tmp_path, *SWEEP)
    assert not [one for one in folder.iterdir() if Store(folder).damage(one.name)]
