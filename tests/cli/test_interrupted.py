"""Signals that ask for an end, sent to real processes: answered at once, with the status that shells expect."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from gatelab import signals
from gatelab.store import Stop
from tests.faults.sweeping import ROOT, start

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

WAITING = "stopping as soon as this step allows; Ctrl-C again ends at once"

# says that it is there, and waits; "compiled" is busy in one call of compiled code
COMMAND = """
import subprocess, sys, time
import numpy as np
from gatelab.cli import entry

matrix = np.tri(4000) if "compiled" in sys.argv else None

def command(words):
    # a child that is between fork and exec hears no signal
    child = subprocess.Popen(["sleep", "60"]) if words == ["child"] else None
    print("begun", flush=True)
    if words == ["compiled"]:
        np.linalg.svd(matrix)
    elif words == ["lost"]:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            time.sleep(60)  # as in a finaliser, which lets nothing through
    elif child is not None:
        child.wait()
    else:
        time.sleep(60)
    return 0

entry.run(command, sys.argv[1:])
"""


@pytest.fixture
def process():
    started = []

    def starting(*words, **options):
        one = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )
        started.append(one)
        assert one.stdout is not None
        assert one.stdout.readline() == "begun\n"
        return one

    yield starting
    for one in started:
        one.kill()
        one.communicate()


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("words", [[], ["child"]])
def test_a_command_is_interrupted_with_one_line(process, number, words):
    one = process(*words)
    os.killpg(one.pid, number)
    _, errors = one.communicate(timeout=30)
    assert one.returncode == 128 + number
    # on a busy machine Python may need longer than its grace to come to the handler
    assert errors.removeprefix(f"\n{WAITING}\n") == "interrupted\n"


def test_what_is_in_compiled_code_answers_before_it_can_end(process):
    one = process("compiled")
    time.sleep(0.5)  # until it is in there
    one.send_signal(signal.SIGINT)
    assert one.stderr.readline() == "\n"
    assert one.stderr.readline() == f"{WAITING}\n"
    assert one.poll() is None
    one.send_signal(signal.SIGINT)
    one.communicate(timeout=30)
    assert one.returncode == 130


def test_an_interrupt_that_was_lost_on_its_way_is_raised_again(process):
    one = process("lost")
    one.send_signal(signal.SIGTERM)
    _, errors = one.communicate(timeout=30)
    assert (one.returncode, errors) == (143, "interrupted\n")


def test_a_signal_that_is_to_be_ignored_is_ignored(process):
    # as nohup does
    one = process(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    one.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        one.wait(timeout=0.5)
    one.send_signal(signal.SIGTERM)
    assert one.wait(timeout=30) == 143


def test_the_handlers_of_before_come_back():
    before = [signal.getsignal(number) for number in NUMBERS]
    with signals.watched():
        assert all(signal.getsignal(number) not in before for number in NUMBERS)
        with pytest.raises(signals.Ended) as ended:
            signal.raise_signal(signal.SIGTERM)
    assert ended.value.number == signal.SIGTERM
    assert [signal.getsignal(number) for number in NUMBERS] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_another_thread_leaves_signals_alone():
    found = []

    def inside():
        with signals.watched():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    before = signal.getsignal(signal.SIGTERM)
    thread.start()
    thread.join()
    assert found == [before]


def test_a_sweep_answers_the_first_signal_and_a_terminal_may_close_twice(capfd):
    noted = Stop(sweep=True)
    for _ in range(2):
        noted.hear(signal.SIGHUP)
    assert noted.signum == signal.SIGHUP
    assert capfd.readouterr().err == "\nstopping at the next checkpoint; Ctrl-C again ends at once\n"
    with pytest.raises(KeyboardInterrupt):
        noted.hear(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_a_sweep_that_is_being_composed_leaves_nothing_behind(tmp_path, number):
    with start(tmp_path, "seed=range(50000)", "plan_only=true") as sweep:
        # the folder is there from when the points begin to be composed
        while not (tmp_path / "runs" / "sweeps").exists():
            assert sweep.poll() is None
        os.killpg(sweep.pid, number)
        printed, errors = sweep.communicate(timeout=60)
    assert (sweep.returncode, printed) == (128 + number, "")
    # before that, nothing but how many points are composed, and on a busy machine checked
    *before, last = errors.splitlines()
    assert last == "interrupted"
    assert all(re.fullmatch(r"\d\d:\d\d [\d,]+ of 50,000 points (composed|checked)", line) for line in before)
    assert len(set(before)) == len(before) <= 2
    assert sorted(tmp_path.rglob("*")) == []


def test_who_is_interrupted_while_python_ends_ends_without_a_traceback():
    # libraries clear up then, torch for a second
    script = """
import atexit, os, signal, time
from gatelab.cli import entry
atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(1)))
entry.run(lambda arguments: print("all is said") or 0, [])
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "all is said\n", "")
