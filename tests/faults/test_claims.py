"""Only one process trains a run; one that was paused for too long stops writing."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from gatelab.disk import remove_leftovers
from gatelab.errors import UserError
from gatelab.store import HeldClaims, Owner, Record, Store
from gatelab.store.lease import lease, owner
from gatelab.store.lease.lease import ClaimLost, take_claim
from gatelab.store.lease.owner import this_process
from gatelab.training import train_stack
from tests.store.examples import example
from tests.training.examples import configuration, outcome

NAME = "0123456789abcdef"
NAMES = [f"{number:016x}" for number in range(20)]
ELSEWHERE = Owner("elsewhere", "another place", 1, "2", "3")

CLAIMING = """
import sys
from gatelab.store import Store
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
taken = [name for name in sys.argv[2:] if store.claim(name) is not None]
print(*taken, flush=True)
sys.stdin.readline()
"""

FINISHING = """
import sys
from gatelab.store import HeldClaims, Store
from tests.store.examples import example
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
done = []
for name in sys.argv[2:]:
    with HeldClaims(store) as claims:
        claim = claims.take(name)
        if claim is not None:
            store.record(name, {"name": name}, claim).finish(example(identity=name))
            done.append(name)
print(*done, flush=True)
sys.stdin.readline()
"""


PAST = 3600 + lease.LEASE + 1
"""Seconds after which a claim of another machine is believed to be as old as its time says."""


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 1e6

    def __call__(self):
        return self.now


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / NAME
    path.mkdir()
    return path


@pytest.mark.parametrize("program", [CLAIMING, FINISHING])
def test_eight_processes_want_the_same_runs_and_each_is_had_once(tmp_path, program):
    command = [sys.executable, "-c", program, str(tmp_path), *NAMES]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    assert all(process.stdout.readline() == "ready\n" for process in processes)
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    taken = Counter(name for process in processes for name in process.stdout.readline().split())
    assert taken == Counter(NAMES)
    for process in processes:
        process.communicate("\n", timeout=30)
        assert process.returncode == 0
    assert not list(tmp_path.glob("*/.*"))
    # the processes have ended, and with them their claims
    again = [Store(tmp_path).claim(name) for name in NAMES]
    assert all((claim is None) == (program is FINISHING) for claim in again)


def test_a_run_is_claimed_once_until_it_is_released(tmp_path):
    store = Store(tmp_path)
    first = store.claim(NAME)
    assert first.token == 1
    assert store.owner(NAME).pid == os.getpid()
    assert store.claim(NAME) is None
    first.release()
    first.release()
    assert store.owner(NAME) is None
    assert store.claim(NAME).token == 2


def test_a_finished_run_cannot_be_claimed_and_keeps_no_claim(tmp_path):
    store = Store(tmp_path)
    with HeldClaims(store) as held:
        claim = held.take(NAME)
        store.record(NAME, {"a": 1}, claim).finish(example(identity=NAME))
    assert store.claim(NAME) is None
    assert not list((tmp_path / NAME).glob("claim*"))


def test_a_claim_expires_unless_it_is_renewed(folder):
    clock = Clock()
    claim = take_claim(folder, lease=60, clock=clock, owner=ELSEWHERE)
    for _ in range(3):
        clock.now += PAST - 1
        assert take_claim(folder, clock=clock) is None
        claim.renew()
    clock.now += PAST
    assert take_claim(folder, clock=clock).token == 2


def test_the_lease_is_the_owners(folder):
    clock = Clock()
    take_claim(folder, lease=5, clock=clock, owner=ELSEWHERE)
    clock.now += 3606
    assert take_claim(folder, lease=1000, clock=clock, owner=ELSEWHERE).token == 2
    clock.now += 4599
    assert take_claim(folder, lease=1, clock=clock) is None


def test_who_was_paused_beyond_the_lease_writes_no_more(tmp_path):
    clock, store = Clock(), Store(tmp_path)
    stale = store.claim(NAME, clock=clock)
    old = store.record(NAME, {"a": 1}, stale)
    old.append(1, "train", {"loss": 1.0})
    clock.now += 61
    fresh = store.claim(NAME, clock=clock)
    new = store.record(NAME, {"a": 1}, fresh)
    before = (tmp_path / NAME / "metrics.jsonl").read_bytes()
    for write in (
        lambda: old.append(2, "train", {"loss": 2.0}),
        lambda: old.write_checkpoint("last.pt", b"of the old owner"),
        lambda: old.write_provenance({}),
        lambda: old.rewind({"bytes": 0, "sha256": "".join(["e3b0c44298fc1c149afbf4c8996fb924",
                                                           "27ae41e4649b934ca495991b7852b855"])}),
        old.restart,
        lambda: old.finish(example(identity=NAME)),
    ):  # fmt: skip
        with pytest.raises(ClaimLost, match=f"run {NAME} was taken over by process {os.getpid()} on "):
            write()
    stale.renew()
    stale.release()
    fresh.check()
    assert (tmp_path / NAME / "metrics.jsonl").read_bytes() == before
    assert not (tmp_path / NAME / "checkpoint" / "last.pt").exists()
    new.finish(example(identity=NAME))


def test_who_is_paused_between_the_look_and_the_write_writes_into_the_old_file(tmp_path, monkeypatch):
    clock, store = Clock(), Store(tmp_path)
    stale = store.claim(NAME, clock=clock)
    old = store.record(NAME, {"a": 1}, stale)
    old.append(1, "train", {"loss": 1.0})
    mark = old.mark()

    def looked():
        monkeypatch.undo()
        clock.now += 61
        store.record(NAME, {"a": 1}, store.claim(NAME, clock=clock)).rewind(mark)

    monkeypatch.setattr(stale, "check", looked)
    old.append(2, "train", {"loss": 2.0})
    assert [row["step"] for row in store.history(NAME)] == [1]


def test_a_dead_process_is_followed_at_once(tmp_path):
    command = "import sys; from gatelab.store import Store; print(Store(sys.argv[1]).claim(sys.argv[2]).token)"
    for token in (1, 2, 3):
        process = subprocess.run([sys.executable, "-c", command, str(tmp_path), NAME], check=True, capture_output=True)
        assert int(process.stdout) == token
    assert Store(tmp_path).owner(NAME) is None


def test_a_process_that_has_the_number_of_the_dead_one_is_another(folder):
    mine = owner.this_process()
    assert mine.alive()
    for other, alive in (({"started": "1"}, False), ({"host": "elsewhere"}, None), ({"place": "a container"}, None)):
        assert Owner(**{**mine.to_mapping(), **other}).alive() is alive


def test_a_zombie_is_dead():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    child = Owner(**{**owner.this_process().to_mapping(), "pid": process.pid, "started": owner._started(process.pid)})
    assert child.alive()
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert child.alive() is False
    process.wait()
    assert child.alive() is False


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"lease": "long"}'])
def test_a_damaged_claim_stands_for_the_length_of_a_lease(folder, content):
    clock = Clock()
    claim = take_claim(folder, clock=clock)
    claim.path.write_bytes(content)
    os.utime(claim.path, (clock.now, clock.now))
    assert take_claim(folder, clock=clock) is None
    assert str(lease.standing_owner(folder, clock))
    with pytest.raises(ClaimLost):
        claim.check()
    clock.now += PAST
    assert take_claim(folder, clock=clock).token == 2


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("room", [0, 1, 50])
def test_a_claim_that_does_not_fit_on_the_disk_is_not_there(folder, monkeypatch, room, links):
    left = [room]
    write = os.write

    def as_much_as_fits(descriptor, data):
        part = bytes(data)[: left[0]]
        if not part:
            raise OSError(28, "No space left on device")
        left[0] -= len(part)
        return write(descriptor, part)

    def no_links(*names):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "write", as_much_as_fits)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(UserError, match=r"claim-000001\.json: cannot be written: the disk is full [^\n]*$"):
        take_claim(folder)
    monkeypatch.undo()
    assert list(folder.iterdir()) == []
    assert take_claim(folder).token == 1


def test_a_claim_is_released_on_a_full_disk_too(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    claim = take_claim(folder)
    monkeypatch.setattr(os, "write", full)
    claim.release()
    monkeypatch.undo()
    assert lease.standing_owner(folder) is None
    assert not list(folder.glob(".*"))
    second = take_claim(folder)
    with pytest.raises(ClaimLost):
        claim.check()
    second.check()


def test_a_live_owner_of_this_machine_keeps_its_run_whatever_the_clock_says(tmp_path):
    program = """
import sys
from gatelab.store import Store
print(Store(sys.argv[1]).claim(sys.argv[2]).token, flush=True)
sys.stdin.readline()
"""
    command = [sys.executable, "-c", program, str(tmp_path), NAME]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "1\n"
    store = Store(tmp_path)
    for now in (0.0, 1e12):
        assert store.claim(NAME, clock=lambda now=now: now) is None
        assert store.owner(NAME, clock=lambda now=now: now).pid == process.pid
    with pytest.raises(UserError, match=rf"is being trained by process {process.pid} on .* end it \(kill"):
        store.free(NAME)
    # one that is stopped may go on or not: then the lease decides
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    assert store.claim(NAME, clock=time.time) is None
    assert store.owner(NAME, clock=lambda: 1e12) is None
    process.send_signal(signal.SIGCONT)
    process.communicate("\n")
    assert store.claim(NAME, clock=lambda: 0.0).token == 2


def test_a_claim_of_a_clock_that_was_ahead_is_watched_for_a_lease(folder, monkeypatch):
    clock, watch = Clock(), Clock()
    monkeypatch.setattr(lease, "_monotonic", watch)
    claim = take_claim(folder, lease=60, clock=lambda: clock.now + 86400, owner=ELSEWHERE)
    assert take_claim(folder, clock=clock) is None
    watch.now += 50
    assert take_claim(folder, clock=clock) is None
    # it is alive: it renews
    claim.clock = lambda: clock.now + 86450
    claim.renew()
    watch.now += 50
    assert take_claim(folder, clock=clock) is None
    watch.now += 61
    assert lease.standing_owner(folder, clock) is None
    # no other process has to observe it as long
    monkeypatch.setattr(lease, "_watched", {})
    assert take_claim(folder, clock=clock).token == 2


@pytest.mark.parametrize("apart", [-600, -61, 0, 61, 600])
def test_clocks_of_two_machines_are_not_compared(folder, monkeypatch, apart):
    clock, watch = Clock(), Clock()
    monkeypatch.setattr(lease, "_monotonic", watch)
    claim = take_claim(folder, lease=60, clock=lambda: clock.now + apart, owner=ELSEWHERE)
    for _ in range(3):
        assert take_claim(folder, clock=clock) is None
        clock.now += 59
        watch.now += 59
        assert take_claim(folder, clock=clock) is None
        claim.renew()
    assert take_claim(folder, clock=clock) is None
    clock.now += 61
    watch.now += 61
    assert take_claim(folder, clock=clock).token == 2


def test_a_job_that_begins_again_on_another_machine_has_its_runs_at_once(folder, monkeypatch):
    for name, value in (("SUBMITIT_EXECUTOR", "slurm"), ("SLURM_JOB_ID", "12"), ("SLURM_PROCID", "0")):
        monkeypatch.setenv(name, value)
    before = dataclasses.replace(ELSEWHERE, job=this_process().job)
    take_claim(folder, owner=before)
    monkeypatch.setenv("SLURM_JOB_ID", "13")
    assert take_claim(folder) is None
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert take_claim(folder).token == 2


@pytest.mark.parametrize("field", ["pid", "lease"])
@pytest.mark.parametrize("value", [0, -1, -(10**9), 10**30, True, None, "12", float("nan"), float("inf"), 1e300, []])
def test_absurd_numbers_in_a_claim_are_damage(folder, field, value, monkeypatch):
    def kill(*_):
        raise AssertionError("nobody is to be asked about")

    clock = Clock()
    claim = take_claim(folder, clock=clock)
    claim.path.write_text(json.dumps({**claim.content, "host": "elsewhere", field: value}))
    os.utime(claim.path, (clock.now, clock.now))
    monkeypatch.setattr(os, "kill", kill)
    assert take_claim(folder, clock=clock) is None
    assert str(lease.standing_owner(folder, clock))
    clock.now += PAST
    assert take_claim(folder, clock=clock).token == 2


def test_a_claim_that_nobody_renews_can_be_removed(tmp_path):
    store = Store(tmp_path)
    store.runs_dir.joinpath(NAME).mkdir()
    take_claim(tmp_path / NAME, owner=ELSEWHERE)
    assert store.claim(NAME) is None
    assert store.free(NAME) == ELSEWHERE
    assert store.free(NAME) is None
    assert store.claim(NAME).token == 1


def test_one_that_comes_late_to_a_takeover_does_not_get_the_run(folder, monkeypatch):
    """It has seen the first claim expire; by the time it makes the second, there has been one, and a third."""
    clock = Clock()
    take_claim(folder, clock=clock, owner=ELSEWHERE)
    clock.now += PAST
    highest = lease._highest
    third: list[lease.Claim] = []
    begun: list[bool] = []

    def late(where):
        seen = highest(where)
        if not begun:
            begun.append(True)
            take_claim(where, clock=clock, owner=ELSEWHERE)
            clock.now += PAST
            third.append(take_claim(where, clock=clock, owner=ELSEWHERE))
        return seen

    monkeypatch.setattr(lease, "_highest", late)
    assert take_claim(folder, clock=clock) is None
    assert third[0].token == 3
    third[0].check()
    assert [path.name for path in folder.iterdir()] == ["claim-000003.json"]


def test_an_owner_that_clears_up_beside_one_that_claims_costs_no_traceback(folder, monkeypatch):
    touch = os.utime

    def cleared(path, times):
        remove_leftovers(folder)
        touch(path, times)

    monkeypatch.setattr(os, "utime", cleared)
    assert take_claim(folder) is None
    monkeypatch.undo()
    assert take_claim(folder).token == 1


def test_where_there_are_no_links_one_claims_too(folder, monkeypatch):
    def no_links(*names):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", no_links)
    claim = take_claim(folder)
    claim.check()
    assert take_claim(folder) is None
    assert json.loads(claim.path.read_text())["pid"] == os.getpid()
    assert not list(folder.glob(".*"))


def test_a_thread_renews_while_the_block_lasts(tmp_path):
    store = Store(tmp_path)
    with HeldClaims(store, lease=0.04) as held:
        claim = held.take(NAME)
        os.utime(claim.path, (0, 0))
        for _ in range(1000):
            if claim.path.stat().st_mtime > 0:
                break
            held._ended.wait(0.01)
        assert claim.path.stat().st_mtime > 0
    assert store.owner(NAME) is None


def test_a_run_that_another_process_trains_is_left_to_it(tmp_path):
    runs = [configuration(tmp_path, seed=seed) for seed in (0, 1, 2)]
    store = Store(tmp_path)
    held = store.claim(runs[1].identity)
    assert [result.seed for result in train_stack(runs)] == [0, 2]
    assert store.owner(runs[1].identity).pid == os.getpid()
    held.release()
    assert [result.seed for result in train_stack(runs)] == [0, 1, 2]


def test_a_run_that_is_taken_over_in_the_middle_is_dropped_in_one_line(tmp_path, monkeypatch, capsys):
    runs = [configuration(tmp_path / "both", seed=seed) for seed in (0, 1)]
    store = Store(tmp_path / "both")
    append = Record.append
    taken: list[lease.Claim] = []

    def overtaken(record, step, split, numbers):
        if record.identity == runs[0].identity and step == 6 and not taken:
            # by a clock that is ahead, the lease of the training process is over
            taken.append(store.claim(record.identity, clock=lambda: 1e12))
        append(record, step, split, numbers)

    monkeypatch.setattr("gatelab.store.record.Record.append", overtaken)
    assert [result.seed for result in train_stack(runs)] == [1]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: run {runs[0].identity} was taken over by process {os.getpid()} on ")
    assert {row["step"] for row in store.history(runs[0].identity)} == {3}
    assert store.finished(runs[0].identity) is None
    taken[0].check()
    taken[0].release()
    assert [result.seed for result in train_stack(runs)] == [0, 1]
    train_stack([configuration(tmp_path / "whole", seed=seed) for seed in (0, 1)])
    for run in runs:
        assert outcome(tmp_path / "both", run.identity) == outcome(tmp_path / "whole", run.identity)
