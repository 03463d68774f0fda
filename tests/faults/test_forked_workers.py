"""Workers are forked by a process that has imported everything; each is a process like any other."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from gatelab.store.faults import VARIABLE
from gatelab.sweeps import forking_process
from gatelab.sweeps.executors.worker_start import Forker, new_process
from gatelab.sweeps.job import Job
from tests.faults.sweeping import alive, wait_for
from tests.training.examples import configuration

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")


def announced(worker):
    """Wait until a worker says its number."""
    pid = json.loads(worker.stdout.readline())["pid"]
    worker.announced(pid)
    return pid


def parent_and_session(pid):
    fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), int(fields[3])


def ended(worker):
    worker.stdin.close()
    status = worker.wait()
    worker.stdout.close()
    worker.stderr.close()
    return status


def test_workers_are_children_of_one_process_and_end_one_by_one():
    forker = Forker()
    first, second = forker.start(), forker.start()
    pids = [announced(first), announced(second)]
    parents, sessions = zip(*map(parent_and_session, pids), strict=True)
    assert len(set(parents)) == 1 and os.getpid() not in parents
    assert list(sessions) == pids  # each of its own: a signal to one does not reach the other
    first.kill()
    assert ended(first) == -signal.SIGKILL
    assert alive(pids[1])
    second.end_softly()
    assert ended(second) == -signal.SIGTERM
    third = forker.start()
    pid = announced(third)
    forker.close()
    # it ends with its launcher, which holds the other end of its input
    assert ended(third) is None
    wait_for(lambda: not alive(pid))


def test_a_worker_has_the_environment_of_the_moment_at_which_it_starts(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "raise:0")
    forker = Forker()
    monkeypatch.setenv(VARIABLE, "leave:0")
    worker = forker.start()
    announced(worker)
    worker.stdin.write(f"{Job.of([configuration(tmp_path, seed=0)], 'one run', None).text()}\n")
    worker.stdin.flush()
    assert "report" not in worker.stdout.read()
    assert ended(worker) == 7
    forker.close()


def test_a_worker_that_is_not_wanted_any_more_is_killed_when_it_begins():
    forker = Forker()
    worker = forker.start()
    worker.kill()
    pid = announced(worker)
    assert ended(worker) == -signal.SIGKILL
    assert not alive(pid)
    forker.close()


def test_without_a_fork_a_worker_is_a_new_process():
    worker = new_process({"CUDA_VISIBLE_DEVICES": "1"})
    pid = announced(worker)
    assert b"CUDA_VISIBLE_DEVICES=1" in (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0")
    worker.kill()
    assert ended(worker) == -signal.SIGKILL


def test_a_process_with_another_thread_does_not_fork():
    ends = threading.Event()
    other = threading.Thread(target=ends.wait)
    other.start()
    assert not forking_process._has_one_thread()
    ends.set()
    other.join()
