"""Which jobs a launcher takes for those of an earlier one: on a made-up SLURM, with a made-up submitit."""

import json
import sys
from types import SimpleNamespace

import pytest

from gatelab.errors import UserError
from gatelab.store.lease.owner import this_process
from gatelab.sweeps.executors.handed_in import HandedIn
from gatelab.sweeps.executors.submitit import Submitit
from gatelab.sweeps.job import Job, JobReport
from gatelab.sweeps.launcher_options import ExecutorOptions

STACK = Job("lstm on adding", (), ("a", "b"))
OPTIONS = ExecutorOptions.read({"executor": "submitit", "submitit": {"slurm_partition": "main"}})


class MadeUpCluster:
    """Its queue, and the numbers of the jobs that were cancelled."""

    def __init__(self, folder):
        self.folder, self.cancelled, self.comment = folder, [], ""
        self.lines = {}
        self.answer("scontrol", "PartitionName=main Default=YES MaxTime=1:00:00\n")
        self.show({})

    def answer(self, command, text):
        (self.folder / f"{command}.txt").write_text(text)
        (self.folder / command).write_text(f"#!/bin/sh\ncat {self.folder / command}.txt\n")
        (self.folder / command).chmod(0o755)

    def show(self, jobs):
        """Let the queue have jobs: number -> state and comment."""
        self.lines = jobs
        lines = [f"{number}|{state}|None|n1|{comment}\n" for number, (state, comment) in jobs.items()]
        self.answer("squeue", "".join(lines))

    def module(self):
        """What stands for submitit."""
        cluster = self

        class MadeUpJob:
            def __init__(self, folder, job_id):
                self.job_id = job_id
                names = {name: folder / f"{job_id}_0_{name}" for name in ("stdout", "stderr")}
                self.paths = SimpleNamespace(folder=folder, result_pickle=folder / f"{job_id}_0_result.pkl", **names)

            def cancel(self, check=True):
                cluster.cancelled.append(self.job_id)

            def stdout(self):
                return None

            stderr = stdout

        class MadeUpExecutor:
            cluster = "slurm"

            def __init__(self, folder, **_):
                self.folder = folder

            def update_parameters(self, slurm_comment="", **_):
                cluster.comment = slurm_comment

            def submit(self, function, text):
                cluster.show({**cluster.lines, "7": ("PENDING", cluster.comment)})
                return MadeUpJob(self.folder, "7")

        return SimpleNamespace(AutoExecutor=MadeUpExecutor, SlurmJob=MadeUpJob)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    (tmp_path / "commands").mkdir()
    found = MadeUpCluster(tmp_path / "commands")
    monkeypatch.setenv("PATH", str(tmp_path / "commands"), prepend=":")
    monkeypatch.setitem(sys.modules, "submitit", found.module())
    monkeypatch.setitem(sys.modules, "submitit.core", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "submitit.core.utils", SimpleNamespace(FailedJobError=RuntimeError))
    return found


@pytest.fixture
def sweeps(tmp_path):
    """The folder of sweeps of a store, with that of submitit in an earlier one."""
    (tmp_path / "runs" / "sweeps" / "today" / "submitit").mkdir(parents=True)
    return tmp_path / "runs" / "sweeps"


def left_page(sweeps, numbers=("12",), stack=STACK):
    """A page that another launcher has left here, with the numbers of its jobs."""
    pages = HandedIn(sweeps / "handed-in")
    page = pages.begin([stack], sweeps / "today" / "submitit")
    path = sweeps / "handed-in" / f"{page.mark}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "owner": None, "numbers": list(numbers)}))
    return page


def opened(sweeps):
    return Submitit(OPTIONS, sweeps / "tomorrow")


def test_a_job_that_bears_the_mark_in_the_queue_is_found_whatever_number_the_page_has(cluster, sweeps):
    page = left_page(sweeps, ["99"])
    cluster.show({"12": ("RUNNING", f"mine {page.mark}"), "99": ("RUNNING", "of something else")})
    with opened(sweeps) as executor:
        (handle,) = executor.find({"a", "c"})
        assert (handle.job.title, handle.job.identities, handle.report) == ("lstm on adding", ("a", "b"), None)
        assert executor.news() == ""
    assert cluster.cancelled == ["12"]


def test_a_job_whose_number_a_page_has_and_that_bears_no_mark_is_told_and_let_be(cluster, sweeps):
    page = left_page(sweeps)
    cluster.show({"12": ("RUNNING", "of something else")})
    with opened(sweeps) as executor:
        assert executor.find({"a"}) == []
        assert executor.news() == f"job 12 of {page.mark}.json does not bear its mark in SLURM's queue: let be"
        assert executor.news() == ""
        executor.stop()
    assert cluster.cancelled == []


def test_a_page_with_the_mark_of_jobs_of_another_store_is_told_and_they_are_let_be(cluster, sweeps, tmp_path):
    other = tmp_path / "other" / "sweeps"
    page = left_page(other)
    cluster.show({"12": ("RUNNING", page.mark)})
    (sweeps / "handed-in").mkdir()
    copied = sweeps / "handed-in" / f"{page.mark}.json"
    copied.write_text((other / "handed-in" / copied.name).read_text())
    with opened(sweeps) as executor:
        assert executor.find({"a"}) == []
        assert executor.news() == f"{page.mark}.json in {sweeps / 'handed-in'} was not made there: its jobs are let be"
    assert cluster.cancelled == []
    with opened(other) as executor:
        assert len(executor.find({"a"})) == 1
    assert cluster.cancelled == ["12"]


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", None])
def test_what_a_failed_job_has_left_is_told_and_nothing_with_its_number_is_cancelled(cluster, sweeps, state):
    left_page(sweeps)
    (sweeps / "today" / "submitit" / "12_0_result.pkl").write_bytes(b"not to be read")
    (sweeps / "today" / "submitit" / "12_report.json").write_text(JobReport("failed", reason="no disk").text())
    with opened(sweeps) as executor:
        found = executor.find({"a"})
        # the number may by now be that of another job, which is put back into the queue when this one has been told
        cluster.show({"12": (state, "of something else")} if state else {})
        for handle in found:
            executor.cancel(handle, "too long")
        assert executor.wait(0) == found
        assert [(handle.report.kind, handle.report.reason) for handle in found] == [("failed", "no disk")]
    assert cluster.cancelled == []
    assert not list((sweeps / "handed-in").iterdir())


def test_a_page_with_one_run_in_two_stacks_gives_one_job(cluster, sweeps):
    pages = HandedIn(sweeps / "handed-in")
    page = pages.begin([STACK, STACK], sweeps / "today" / "submitit")
    cluster.show({"12_0": ("RUNNING", page.mark), "12_1": ("RUNNING", page.mark)})
    with opened(sweeps) as executor:
        assert len(executor.find({"a", "b"})) == 1


def test_jobs_for_which_another_launcher_waits_are_waited_for_and_never_cancelled(cluster, sweeps):
    page = left_page(sweeps)
    path = sweeps / "handed-in" / f"{page.mark}.json"
    elsewhere = this_process().to_mapping() | {"host": "elsewhere", "place": "another"}
    path.write_text(json.dumps({**json.loads(path.read_text()), "owner": elsewhere}))
    cluster.show({"12": ("RUNNING", page.mark)})
    with opened(sweeps) as executor:
        (handle,) = executor.find({"a"})
        executor.cancel(handle, "too long")
    assert cluster.cancelled == []
    assert path.exists()


def test_jobs_that_this_launcher_has_handed_in_are_its_own_even_where_the_cluster_keeps_no_comments(cluster, sweeps):
    with opened(sweeps) as executor:
        executor.submit(STACK)
        assert cluster.comment in {path.stem for path in (sweeps / "handed-in").iterdir()}
        cluster.show({"7": ("RUNNING", "(null)")})
    assert cluster.cancelled == ["7"]


def test_where_there_is_sbatch_and_no_srun_nothing_is_trained_on_this_machine_instead(cluster, sweeps, monkeypatch):
    cluster.answer("sbatch", "")
    monkeypatch.setenv("PATH", str(cluster.folder))
    with pytest.raises(UserError, match="there is sbatch here, but no srun, by which submitit knows SLURM"):
        opened(sweeps)
