"""Sweeps on a real SLURM: ``make test-slurm`` installs and starts it."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.engines.commands import TINY, Started, ended, here, started, trained, until

pytestmark = pytest.mark.engine

HERE = Path(__file__).parent
BASE = (*TINY, "training.validate_every=50")
SHORT = (*BASE, "variant=lstm", "seed=0,1,2", "training.max_steps=50")
# ten seconds and more on a machine with nothing else to do
LONG = (*TINY, "training.validate_every=2000", "variant=lstm", "seed=0,1", "training.max_steps=400000")


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
    # no test leaves a job behind; one that has told its result may still be on its way out
    until(lambda: ask("squeue", "--noheader") == "", seconds=30)


@pytest.fixture
def launched(cluster, tmp_path):
    """Start a sweep on the cluster; return its process."""
    with Started(f"runs_dir={tmp_path / 'runs'}", "hydra.launcher.executor=submitit", **cluster) as start:
        yield start


def jobs(asked):
    """All jobs that SLURM still lists, with the ended ones: number, such as 12 or, of an array, 12_0 -> state."""
    lines = asked("squeue", "--noheader", "--array", "--states=all", "--format=%i %T").splitlines()
    return dict(line.split() for line in lines)


def running(asked):
    return next((job for job, state in jobs(asked).items() if state == "RUNNING"), None)


def hurry(asked, job):
    """Let a job that was put back into the queue begin now; SLURM would wait for two minutes."""
    until(lambda: jobs(asked)[job] == "PENDING")
    asked("scontrol", "update", f"jobid={job}", "starttime=now")


@pytest.mark.in_ci
def test_runs_of_one_shape_are_one_job_and_have_the_bits_of_runs_trained_here(launched, asked, tmp_path):
    words = (*BASE, "variant=lstm,gru", "model.hidden_size=4,6", "seed=range(6)", "training.max_steps=50")
    before = len(jobs(asked))
    status, _, stderr = ended(launched(*words))
    assert status == 0
    # nothing but its own lines of progress: neither sacct's nor Lightning's complaints
    assert all("of 24 runs finished" in line for line in stderr)
    assert len(jobs(asked)) - before == 4
    assert len(trained(tmp_path / "runs")) == 24
    assert trained(tmp_path / "runs") == here(tmp_path, *words)


@pytest.mark.in_ci
def test_a_job_that_is_put_back_into_the_queue_goes_on_as_the_same_job(launched, asked, tmp_path):
    before = set(jobs(asked))
    process = launched(*LONG)
    job = until(lambda: running(asked))
    until(lambda: started(tmp_path / "runs"))
    asked("scontrol", "requeue", job)
    hurry(asked, job)
    status, _, _ = ended(process)
    assert status == 0
    assert set(jobs(asked)) - before == {job}
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


def test_a_job_that_is_cancelled_is_handed_in_again(launched, asked, tmp_path):
    process = launched(*LONG)
    job = until(lambda: running(asked))
    until(lambda: started(tmp_path / "runs"))
    asked("scancel", job)
    status, _, _ = ended(process)
    assert status == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


def test_a_node_that_goes_down_and_comes_back(launched, asked, tmp_path):
    process = launched(*LONG)
    job = until(lambda: running(asked))
    until(lambda: started(tmp_path / "runs"))
    node = asked("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()
    asked("scontrol", "update", f"nodename={node}", "state=down", "reason=tried")
    # it comes back by itself, because it answers; the job begins again after two minutes, when the node has tidied up
    until(lambda: jobs(asked)[job] == "PENDING")
    status, _, _ = ended(process)
    assert status == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


def test_a_job_that_comes_to_its_time_limit_goes_on_as_the_same_job(launched, asked, tmp_path):
    before = set(jobs(asked))
    process = launched(*LONG)
    job = until(lambda: running(asked))
    until(lambda: started(tmp_path / "runs"))
    # what SLURM sends a while before the limit, as submitit asks it to
    asked("scancel", "--signal=USR2", job)
    hurry(asked, job)
    status, _, _ = ended(process)
    assert status == 0
    assert set(jobs(asked)) - before == {job}
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


def test_a_job_that_takes_longer_than_its_partition_allows_goes_on_as_the_same_job(launched, asked, tmp_path):
    words = (*LONG, "training.max_steps=1600000", "training.validate_every=20000")
    before = set(jobs(asked))
    process = launched(*words, "hydra.launcher.submitit.slurm_partition=minute")
    job = until(lambda: running(asked))

    def is_past():
        # what was put back begins now; SLURM would wait for two minutes
        for one, state in jobs(asked).items():
            if one not in before and state == "PENDING":
                asked("sh", "-c", f"scontrol update jobid={one} starttime=now || true")  # or has begun meanwhile
        return process.poll() is not None

    until(is_past, 900)
    status, _, stderr = ended(process)
    assert status == 0, stderr
    assert set(jobs(asked)) - before == {job}
    assert trained(tmp_path / "runs") == here(tmp_path, *words)


def test_a_job_that_makes_room_for_one_that_is_more_urgent_goes_on_as_the_same_job(launched, asked, tmp_path):
    before = set(jobs(asked))
    process = launched(*LONG)
    job = until(lambda: running(asked))
    until(lambda: started(tmp_path / "runs"))
    urgent = ("--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=true")
    other = asked("sbatch", "--parsable", *urgent).strip()
    until(lambda: jobs(asked)[other] == "COMPLETED")
    hurry(asked, job)
    status, _, _ = ended(process)
    assert status == 0
    assert set(jobs(asked)) - before == {job, other}
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


def test_stacks_are_on_two_nodes_at_once(launched, asked, tmp_path):
    words = (*LONG, "variant=lstm,gru,cifg,mgu")
    process = launched(*words, "hydra.launcher.submitit.cpus_per_task=2")
    until(lambda: len(set(asked("squeue", "--noheader", "--states=RUNNING", "--format=%N").split())) == 2)
    assert ended(process)[0] == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *words)


def test_a_launcher_that_is_killed_leaves_its_jobs_and_the_next_one_finds_them(launched, asked, tmp_path):
    words = (*LONG, "variant=lstm,gru")
    before = set(jobs(asked))
    process = launched(*words)
    until(lambda: len(set(jobs(asked)) - before) == 2)
    until(lambda: started(tmp_path / "runs"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    status, _, stderr = ended(launched(*words))
    assert status == 0
    assert "4 of 4 runs are in 2 jobs that were handed in before" in stderr
    assert len(set(jobs(asked)) - before) == 2
    assert trained(tmp_path / "runs") == here(tmp_path, *words)
    assert not list((tmp_path / "runs" / "sweeps" / "handed-in").iterdir())


def test_stacks_are_left_to_the_cluster_and_collected_later(launched, asked, tmp_path):
    words = (*LONG, "variant=lstm,gru")
    before = set(jobs(asked))
    for said in ("2 stacks handed in. SLURM: ", "0 stacks handed in, 2 were there. SLURM: "):
        process = launched(*words, "hydra.launcher.detach=true")
        status, stdout, _ = ended(process, 60)
        assert status == 0
        assert stdout.startswith(said)
        assert len(set(jobs(asked)) - before) == 2
    # both are one array
    assert len({job.split("_")[0] for job in set(jobs(asked)) - before}) == 1
    status, stdout, _ = ended(launched(*words))
    assert status == 0
    assert "variant" in stdout
    assert len(set(jobs(asked)) - before) == 2
    assert trained(tmp_path / "runs") == here(tmp_path, *words)


@pytest.mark.in_ci
def test_a_run_that_failed_while_nobody_waited_is_told_by_who_collects(launched, asked, tmp_path):
    words = (*BASE, "variant=lstm", "seed=0", "training.max_steps=50", "hydra.launcher.executor=submitit")
    fault = {"GATELAB_FAULT": "raise:0"}
    launched(*words, "hydra.launcher.detach=true", **fault).communicate(timeout=60)
    until(lambda: not asked("squeue", "--noheader"))
    status, _, stderr = ended(launched(*words))
    assert status == 1
    assert any("failed: " in line for line in stderr)


def test_ctrl_c_takes_the_jobs_out_of_the_queue(launched, asked, tmp_path):
    process = launched(*LONG)
    until(lambda: running(asked))
    until(lambda: started(tmp_path / "runs"))
    process.send_signal(signal.SIGINT)
    status, _, stderr = ended(process)
    assert status == 130
    assert "the same command goes on" in stderr[-1]
    until(lambda: not asked("squeue", "--noheader"))
    assert ended(launched(*LONG))[0] == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


@pytest.mark.in_ci
@pytest.mark.parametrize(
    "words, line",
    [
        (
            ("hydra.launcher.submitit.slurm_partition=short", "hydra.launcher.submitit.timeout_min=5"),
            "hydra.launcher.submitit.timeout_min=5: partition short of SLURM gives a job at most 2 minutes, and one "
            "that asks for more would wait for ever",
        ),
        (
            ("hydra.launcher.submitit.slurm_partition=shor",),
            "hydra.launcher.submitit.slurm_partition=shor: SLURM has no such partition (did you mean 'short'?); must "
            "be one of main, minute, paid, short, urgent",
        ),
        (
            ("hydra.launcher.submitit.slurm_partition=paid", "hydra.launcher.submitit.slurm_account=labb"),
            "hydra.launcher.executor=submitit: SLURM will never begin job N: Job's account not known, so it can't use "
            "this partition (paid allows lab)",
        ),
        (
            ("+hydra.launcher.submitit.parameters.slurm_gres=gpu:9",),
            "hydra.launcher.executor=submitit: sbatch: error: Invalid generic resource (gres) specification",
        ),
        (
            ("hydra.launcher.submitit.mem_gb=900",),
            "hydra.launcher.executor=submitit: sbatch: error: Memory specification can not be satisfied",
        ),
    ],
)
def test_what_the_cluster_does_not_take_is_one_line_and_leaves_nothing(launched, asked, tmp_path, words, line):
    status, _, stderr = ended(launched(*SHORT, *words))
    assert (status, re.sub(r"job \d+", "job N", stderr[-1])) == (2, line)
    assert trained(tmp_path / "runs") == {}


def test_a_job_gets_the_limit_of_its_partition(launched, asked):
    process = launched(*SHORT, "hydra.launcher.submitit.slurm_partition=short")
    assert until(lambda: asked("squeue", "--noheader", "--format=%l").split())[0] == "2:00"
    assert ended(process)[0] == 0


def test_a_node_that_does_not_see_the_store_is_told_and_nothing_is_left(cluster, launched, asked, tmp_path):
    folder = Path(cluster["SLURM_CONF"]).parent
    (tmp_path / "runs").mkdir()
    subprocess.run([HERE / "cluster.sh", "blind", folder, tmp_path / "runs"], check=True)
    try:
        status, _, stderr = ended(launched(*SHORT, "variant=lstm,gru"))
    finally:
        subprocess.run([HERE / "cluster.sh", "sighted", folder], check=True)
    assert status == 2
    assert "without a word in " in stderr[-1]
    assert stderr[-1].endswith("does this node see the folder? runs_dir must lie where all nodes do")


@pytest.mark.in_ci
def test_a_cluster_that_is_not_there_is_one_line(cluster, launched, asked, tmp_path):
    nowhere = tmp_path / "slurm.conf"
    text = Path(cluster["SLURM_CONF"]).read_text()
    nowhere.write_text(re.sub("SlurmctldPort=.*", "SlurmctldPort=1", text))
    status, _, stderr = ended(launched(*SHORT, SLURM_CONF=str(nowhere)))
    assert status == 2
    assert stderr[-1].startswith("hydra.launcher.executor=submitit: ")
