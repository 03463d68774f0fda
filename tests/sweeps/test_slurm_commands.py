"""What SLURM's commands say, read from made-up ones; tests/engines/slurm has a real cluster."""

import pytest

from gatelab.errors import UserError
from gatelab.sweeps.executors import slurm
from gatelab.sweeps.executors.slurm import Partition, Queue, minutes, most_in_array, partition

PARTITIONS = """\
PartitionName=main AllowGroups=ALL Default=YES MaxNodes=UNLIMITED MaxTime=1-12:30:00 State=UP
PartitionName=long Default=NO MaxTime=UNLIMITED State=UP
"""


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Make a command that prints a text."""

    def say(command, text, status=0):
        path = tmp_path / command
        (tmp_path / f"{command}.txt").write_text(text)
        path.write_text(f"#!/bin/sh\ncat {path}.txt {'>&2' if status else ''}\nexit {status}\n")
        path.chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return say


@pytest.fixture
def now(monkeypatch):
    class Clock:
        time = 100.0

        def monotonic(self):
            return self.time

    clock = Clock()
    monkeypatch.setattr(slurm, "time", clock)
    return clock


@pytest.mark.parametrize(
    "text, expected",
    [("1-12:30:00", 2190), ("01:00:00", 60), ("2:00", 2), ("00:30", 0.5), ("UNLIMITED", None), ("INFINITE", None)],
)
def test_limits_of_time(text, expected):
    assert minutes(text) == expected


def test_a_partition_and_its_limit(says):
    says("scontrol", PARTITIONS)
    assert partition(None) == Partition("main", 2190)
    assert partition("long") == Partition("long", None)
    line = r"slurm_partition=lnog: SLURM has no such partition \(did you mean 'long'\?\); must be one of long, main"
    with pytest.raises(UserError, match=line):
        partition("lnog")


def test_a_cluster_that_does_not_answer_is_one_line_with_what_it_says(says):
    says("scontrol", "scontrol: error: no controller\nmore\n", status=1)
    with pytest.raises(UserError, match=r"^hydra\.launcher\.executor=submitit: scontrol: error: no controller$"):
        partition(None)


def test_a_command_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^hydra\.launcher\.executor=submitit: scontrol: No such file or directory$"):
        partition(None)


def test_a_job_has_ended_when_it_was_listed_as_ended_for_a_while(says, now):
    queue = Queue()
    says("squeue", "7|PENDING|Resources||\n8|RUNNING|None|n1|\n9|FAILED|NonZeroExitCode|n2|\n")
    queue.look(["7", "8", "9"])
    assert [queue.waits(job) for job in ("7", "8", "9")] == [True, False, False]
    assert queue.standing(["7", "8"]) == "SLURM: 1 of 2 jobs run, 1 wait (Resources)"
    assert queue.standing(["8"], 3) == "SLURM: 1 of 1 jobs run, 3 ended"
    assert [queue.node(job) for job in ("7", "8")] == ["a node", "n1"]
    assert not queue.has_ended("9")
    now.time += 25
    queue.look(["7", "8", "9"])
    assert [queue.has_ended(job) for job in ("7", "8", "9")] == [False, False, True]
    assert queue.state("9") == "FAILED"


def test_of_a_job_that_is_held_the_line_says_how_it_goes_on(says, now):
    queue = Queue()
    says("squeue", "7|PENDING|Resources||\n8|PENDING|launch failed requeued held||\n9|PENDING|JobHeldUser||\n")
    queue.look(["7", "8", "9"])
    assert queue.standing(["7", "8", "9"]) == (
        "SLURM: 0 of 3 jobs run, 1 wait (JobHeldUser; `scontrol release 9` lets it go on), 1 wait (Resources), "
        "1 wait (launch failed requeued held; `scontrol release 8` lets it go on)"
    )


@pytest.mark.parametrize(
    "line, never",
    [
        ("7|PENDING|PartitionTimeLimit||", True),
        ("7|PENDING|Job's account not permitted to use this partition (paid allows lab not labb)||", True),
        ("7|PENDING|InvalidAccount||", True),
        ("7|PENDING|Resources||", False),
        ("7|PENDING|PartitionNodeLimit||", False),  # also while nodes are down
        ("7|RUNNING|InvalidAccount|n1|", False),
    ],
)
def test_what_a_job_waits_for_and_will_not_come(says, now, line, never):
    queue = Queue()
    says("squeue", f"{line}\n")
    queue.look(["6", "7"])
    assert queue.waits_for_ever(["6", "7"]) == (("7", line.split("|")[2]) if never else None)


def test_a_job_that_is_put_back_has_not_ended(says, now):
    queue = Queue()
    says("squeue", "9|NODE_FAIL|None|n1|\n")
    queue.look(["9"])
    now.time += 5
    says("squeue", "9|PENDING|BeginTime||\n")
    queue.look(["9"])
    assert queue.is_back("9")
    now.time += 25
    queue.look(["9"])
    assert not queue.has_ended("9")


def test_a_job_that_slurm_has_forgotten_has_ended_but_not_while_slurm_is_away(says, now):
    queue = Queue()
    says("squeue", "squeue: error: no controller\n", status=1)
    for _ in range(3):
        now.time += 25
        queue.look(["9"])
    assert not queue.has_ended("9")
    says("squeue", "")
    now.time += 25
    queue.look(["9"])
    now.time += 25
    assert queue.has_ended("9")


def test_slurm_is_not_asked_more_often_than_every_other_second(says, now):
    queue = Queue()
    says("squeue", "9|PENDING|None||\n")
    queue.look(["9"])
    says("squeue", "9|RUNNING|None|n1|\n")
    now.time += 1
    queue.look(["9"])
    assert queue.waits("9")
    now.time += 1.5
    queue.look(["9"])
    assert not queue.waits("9")


def test_jobs_are_found_by_the_mark_in_their_comments(says, now):
    queue = Queue()
    lines = (
        "12_0|RUNNING|None|n1|mine gatelab-a",
        "12_1|CANCELLED|None||gatelab-a | more",
        "13|PENDING|None||gatelab-b",
    )
    says("squeue", "\n".join(lines) + "\n")
    queue.ask()
    places = [queue.marked("gatelab-a", place) for place in range(3)]
    assert (places, queue.marked("gatelab-b", 0), queue.marked("mine", 0)) == (["12_0", "12_1", None], "13", "12_0")
    assert queue.marked("gatelab-c", 0) is None
    assert [queue.goes_on(job) for job in ("12_0", "12_1", "13", "14")] == [True, False, True, False]


@pytest.mark.parametrize("text, most", [("MaxArraySize            = 101\n", 100), ("MaxArraySize = 100001\n", 500)])
def test_the_size_of_an_array(says, text, most):
    says("scontrol", f"MaxJobCount = 10000\n{text}")
    assert most_in_array() == most


@pytest.mark.parametrize("text", ["MaxArraySize = 0\n", "MaxArraySize = 1\n", ""])
def test_a_cluster_that_takes_no_arrays(says, text):
    says("scontrol", text)
    assert most_in_array() == 1
