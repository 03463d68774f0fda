"""Sweeps on a real SLURM: ``make test-slurm`` installs and starts it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BASE = (
    "task=adding", "task.length=10", "task.validation_size=20", "task.test_size=20", "training.batch_size=4",
    "training.validate_every=50", "model.hidden_size=4",
)  # fmt: skip
SHORT = (*BASE, "variant=lstm", "seed=0,1,2", "training.max_steps=50")
LONG = (*BASE, "variant=lstm", "seed=0,1", "training.max_steps=6000")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([HERE / "cluster.sh", "start", folder], check=True, stdout=subprocess.DEVNULL)
    yield {"SLURM_CONF": str(folder / "slurm.conf")}
    subprocess.run([HERE / "cluster.sh", "stop", folder], check=True)


@pytest.fixture
def asked(cluster):
    """Ask a command of SLURM; return what it prints."""

    def ask(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | cluster, timeout=60)
        return done.stdout

    yield ask
    # no test leaves a job behind
    assert ask("squeue", "--noheader") == ""


@pytest.fixture
def launched(cluster, tmp_path):
    """Start a sweep on the cluster; return its process."""
    processes = []

    def launch(*words, runs=tmp_path / "runs", **environment):
        command = [
            sys.executable,
            "scripts/train.py",
            "-m",
            *words,
            f"runs_dir={runs}",
            "hydra.launcher.executor=submitit",
        ]
        process = subprocess.Popen(
            command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=os.environ | cluster | {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"} | environment,
        )  # fmt: skip
        processes.append(process)
        return process

    yield launch
    for process in processes:
        process.kill()
        process.communicate()


def command(*words):
    return [sys.executable, "scripts/train.py", "-m", *words]


def ended(process, seconds=300):
    _, stderr = process.communicate(timeout=seconds)
    return process.returncode, stderr.strip().splitlines()


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.5)
    return found


def trained(folder):
    """What training left of each run: its history and its result, without times."""
    found = {}
    for path in sorted(folder.glob("*/result.json")):
        result = json.loads(path.read_text())
        found[path.parent.name] = (
            path.with_name("metrics.jsonl").read_text().count("\n"),
            result["test"],
            result["validation"],
        )
    return found


def here(tmp_path, *words):
    """Train the same sweep in this process; return what it left."""
    command = [
        sys.executable,
        "scripts/train.py",
        "-m",
        *words,
        f"runs_dir={tmp_path / 'here'}",
        "hydra.launcher.executor=inline",
    ]
    environment = os.environ | {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment, timeout=300)
    return trained(tmp_path / "here")


def jobs(asked):
    """All jobs that SLURM still lists, with the ended ones: number -> state."""
    lines = asked("squeue", "--noheader", "--states=all", "--format=%A %T").splitlines()
    return dict(line.split() for line in lines)


def running(asked):
    return next((job for job, state in jobs(asked).items() if state == "RUNNING"), None)


def started(folder):
    """Whether a run has written a checkpoint."""
    return any(folder.glob("*/checkpoint/last.pt"))


def test_runs_of_one_shape_are_one_job_and_have_the_bits_of_runs_trained_here(launched, asked, tmp_path):
    words = (*BASE, "variant=lstm,gru", "model.hidden_size=4,6", "seed=range(6)", "training.max_steps=50")
    before = len(jobs(asked))
    status, stderr = ended(launched(*words))
    assert status == 0
    # nothing but its own lines of progress: neither sacct's nor Lightning's complaints
    assert all("of 24 runs finished" in line for line in stderr)
    assert len(jobs(asked)) - before == 4
    assert len(trained(tmp_path / "runs")) == 24
    assert trained(tmp_path / "runs") == here(tmp_path, *words)


def test_a_job_that_is_put_back_into_the_queue_goes_on_as_the_same_job(launched, asked, tmp_path):
    before = set(jobs(asked))
    process = launched(*LONG)
    job = until(lambda: running(asked))
    until(lambda: started(tmp_path / "runs"))
    asked("scontrol", "requeue", job)
    status, _ = ended(process)
    assert status == 0
    assert set(jobs(asked)) - before == {job}
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


def test_a_job_that_is_cancelled_is_handed_in_again(launched, asked, tmp_path):
    process = launched(*LONG)
    job = until(lambda: running(asked))
    until(lambda: started(tmp_path / "runs"))
    asked("scancel", job)
    status, _ = ended(process)
    assert status == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


def test_a_node_that_goes_down_and_comes_back(launched, asked, tmp_path):
    process = launched(*LONG)
    until(lambda: running(asked))
    until(lambda: started(tmp_path / "runs"))
    node = asked("sinfo", "--noheader", "--format=%n").split()[0]
    asked("scontrol", "update", f"nodename={node}", "state=down", "reason=tried")
    until(lambda: running(asked) is None)
    asked("scontrol", "update", f"nodename={node}", "state=resume")
    status, _ = ended(process)
    assert status == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


def test_a_launcher_that_is_killed_leaves_its_jobs_and_the_next_one_waits_for_them(launched, asked, tmp_path):
    process = launched(*LONG)
    until(lambda: running(asked))
    until(lambda: started(tmp_path / "runs"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    status, _ = ended(launched(*LONG))
    assert status == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)
    until(lambda: not asked("squeue", "--noheader"))


def test_ctrl_c_takes_the_jobs_out_of_the_queue(launched, asked, tmp_path):
    process = launched(*LONG)
    until(lambda: running(asked))
    until(lambda: started(tmp_path / "runs"))
    process.send_signal(signal.SIGINT)
    status, stderr = ended(process)
    assert status == 130
    assert "the same command goes on" in stderr[-1]
    until(lambda: not asked("squeue", "--noheader"))
    assert ended(launched(*LONG))[0] == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


@pytest.mark.parametrize(
    "words, line",
    [
        (
            ("slurm_partition=short", "timeout_min=5"),
            "hydra.launcher.submitit.timeout_min=5: partition short of SLURM gives a job at most 2 minutes, and one "
            "that asks for more would wait for ever",
        ),
        (
            ("slurm_partition=shor",),
            "hydra.launcher.submitit.slurm_partition=shor: SLURM has no such partition (did you mean 'short'?); must "
            "be one of main, short",
        ),
        (("mem_gb=900",), "hydra.launcher.executor=submitit: sbatch: error: Memory specification can not be satisfied"),
    ],
)
def test_what_the_cluster_does_not_take_is_one_line_and_leaves_nothing(launched, asked, tmp_path, words, line):
    status, stderr = ended(launched(*SHORT, *(f"hydra.launcher.submitit.{word}" for word in words)))
    assert (status, stderr[-1]) == (2, line)
    assert trained(tmp_path / "runs") == {}


def test_a_job_gets_the_limit_of_its_partition(launched, asked):
    process = launched(*SHORT, "hydra.launcher.submitit.slurm_partition=short")
    assert until(lambda: asked("squeue", "--noheader", "--format=%l").split())[0] == "2:00"
    assert ended(process)[0] == 0
