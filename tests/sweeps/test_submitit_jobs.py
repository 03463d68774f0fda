"""What a job of submitit has left behind is read as text; submitit's own result, a pickle, is not loaded."""

from types import SimpleNamespace

import pytest

from gatelab.sweeps.executors.submitit_jobs import left_behind, report
from gatelab.sweeps.job import JobReport


@pytest.fixture
def job(tmp_path):
    def result():
        pytest.fail("a pickle was loaded")

    paths = SimpleNamespace(folder=tmp_path, result_pickle=tmp_path / "12_0_0_result.pkl")
    return SimpleNamespace(
        job_id="12_0", paths=paths, result=result, stderr=lambda: "\nlast words\n", stdout=lambda: None
    )


def test_a_report_is_read_once_the_job_has_ended(job, tmp_path):
    left = JobReport("stopped", taken=("a",), signum=15, numbers={"score": float("nan")})
    (tmp_path / "12_0_report.json").write_text(left.text())
    assert left_behind(job) is None
    job.paths.result_pickle.write_bytes(b"not to be read")
    assert left_behind(job) == "stopped"
    assert report(job, "COMPLETED").text() == left.text()


def test_what_a_report_says_is_shown_on_one_line(job, tmp_path):
    job.paths.result_pickle.write_bytes(b"not to be read")
    (tmp_path / "12_0_report.json").write_text(JobReport("failed", reason="no \x1b[2Jdisk\nat all").text())
    assert report(job, "COMPLETED").reason == r"no \x1b[2Jdisk at all"


@pytest.mark.parametrize(
    "text",
    [
        None, "", "{", "[]", '{"kind": "done"}', '{"taken": [], "more": 1}', "[" * 100_000,
        '{"kind": "more", "taken": []}', '{"kind": "done", "taken": [], "detail": 1}',
    ],
)  # fmt: skip
def test_without_a_report_that_can_be_read_the_job_has_failed(job, tmp_path, text):
    job.paths.result_pickle.write_bytes(b"not to be read")
    if text is not None:
        (tmp_path / "12_0_report.json").write_text(text)
    assert left_behind(job) == "failed"
    found = report(job, "COMPLETED")
    assert (found.kind, found.detail) == ("failed", "last words")
    assert found.reason == "job 12_0 came to no end (COMPLETED): last words"
