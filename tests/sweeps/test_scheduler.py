"""Outcomes of stacks that fail, hang, are stopped or are trained elsewhere; with a stub as executor."""

import signal
import time

import pytest

from gatelab.store import Stop, Store
from gatelab.store.failure import read_failure
from gatelab.store.lease.lease import take_claim
from gatelab.store.lease.owner import Owner
from gatelab.sweeps.executors import Executor, Handle
from gatelab.sweeps.job import Job, JobReport
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.scheduler import Scheduler
from gatelab.sweeps.sweep_progress import View
from tests.store.examples import example
from tests.training.examples import configuration

MINUTE = 1 / 60_000  # a limit of a millisecond


class Pretending(Executor):
    """Finishes every run at once, unless ``fault`` returns another report for the seeds of the stack."""

    def __init__(self, fault=lambda seeds: None, slots=1):
        super().__init__(slots)
        self.fault, self.running, self.trained, self.stopped = fault, [], [], False

    def submit(self, job):
        handle = Handle(Job.from_text(job.text()), begun=time.monotonic(), watched=True)
        self.running.append(handle)
        assert len(self.running) <= self.slots
        return handle

    def wait(self, seconds):
        ended = []
        for handle in self.running:
            runs = handle.job.runs()
            seeds = [run.seed for run in runs]
            report = JobReport("stopped", signum=15) if self.stopped else self.fault(seeds) or JobReport("done")
            if report == "hangs" and handle.given_up is None:
                time.sleep(0.002)
                continue
            self.trained.append(seeds)
            if report == JobReport("done"):
                for run in runs:
                    result = example(identity=run.identity, seed=run.seed)
                    Store(run.runs_dir).record(run.identity, run.mapping()).finish(result)
            handle.end(JobReport("stopped") if report == "hangs" else report)
            ended.append(handle)
        self.running = [handle for handle in self.running if handle not in ended]
        return ended

    def cancel(self, handle, reason):
        handle.given_up = reason

    def stop(self):
        self.stopped = True

    def close(self):
        self.running.clear()


@pytest.fixture
def scheduled(tmp_path):
    def start(executor, runs=4, signals=None, **options):
        stack = [configuration(tmp_path, seed=seed) for seed in range(runs)]
        settings, signals = ExecutorOptions(**options), signals or Stop(sweep=True)
        started = Scheduler([stack], executor, settings, None, View(quiet=True), signals)
        started.run()
        return {failure.seed: failure for failure in started.failures.values()}

    return start


def failing(seed, reason="broken"):
    return lambda seeds: JobReport("failed", reason=reason, detail="more") if seed in seeds else None


def finished(folder):
    return sorted(result.seed for result in Store(folder).results())


@pytest.mark.parametrize("culprit", range(5))
def test_a_stack_that_fails_is_halved_until_the_culprit_is_alone(scheduled, tmp_path, culprit):
    executor = Pretending(failing(culprit))
    failures = scheduled(executor, runs=5)
    assert finished(tmp_path) == [seed for seed in range(5) if seed != culprit]
    assert list(failures) == [culprit]
    assert failures[culprit].reason == "broken"
    assert failures[culprit].attempts == sum(culprit in seeds for seeds in executor.trained)
    healthy = [seeds for seeds in executor.trained if culprit not in seeds]
    assert sorted(seed for seeds in healthy for seed in seeds) == finished(tmp_path)


def test_a_failure_is_written_into_the_folder_of_its_run(scheduled, tmp_path):
    failure = scheduled(Pretending(failing(1)))[1]
    assert read_failure(tmp_path / failure.identity) == failure
    assert Store(tmp_path).unfinished() == [failure.identity]
    (tmp_path / failure.identity / "failed.json").write_text("{")
    assert read_failure(tmp_path / failure.identity) is None


def test_a_run_that_fails_alone_is_tried_again_as_often_as_asked(scheduled):
    executor = Pretending(failing(0))
    assert scheduled(executor, runs=1, retries=2)[0].attempts == 3
    assert executor.trained == [[0], [0], [0]]


def test_an_error_that_all_runs_of_a_stack_have_is_not_tried_again(scheduled):
    executor = Pretending(lambda seeds: JobReport("failed", reason="a path that no one has", helps="nothing"))
    failures = scheduled(executor, retries=3)
    assert executor.trained == [[0, 1, 2, 3]]
    assert {(failure.reason, failure.attempts) for failure in failures.values()} == {("a path that no one has", 1)}
    assert sorted(failures) == [0, 1, 2, 3]


def test_an_error_that_comes_again_is_divided_and_not_retried(scheduled, tmp_path):
    executor = Pretending(
        lambda seeds: JobReport("failed", reason="a folder of another run", helps="dividing") if 1 in seeds else None
    )
    assert list(scheduled(executor, retries=3)) == [1]
    assert executor.trained == [[0, 1, 2, 3], [0, 1], [0], [1], [2, 3]]
    assert finished(tmp_path) == [0, 2, 3]


def test_a_run_that_is_well_the_second_time_has_not_failed(scheduled, tmp_path):
    reports = [JobReport("failed", reason="once")]
    assert scheduled(Pretending(lambda seeds: reports.pop() if reports else None), runs=1, retries=1) == {}
    assert finished(tmp_path) == [0]


def test_runs_that_were_finished_before_their_stack_died_are_not_trained_again(scheduled, tmp_path):
    def died_late(seeds):
        if len(seeds) == 4:
            for seed in (0, 1, 2):
                run = configuration(tmp_path, seed=seed)
                Store(tmp_path).record(run.identity, run.mapping()).finish(example(identity=run.identity, seed=seed))
            return JobReport("failed", reason="died")
        return None

    executor = Pretending(died_late)
    assert scheduled(executor) == {}
    assert executor.trained == [[0, 1, 2, 3], [3]]


@pytest.mark.parametrize("limit", ["limit_minutes", "silent_minutes"])
def test_what_hangs_is_given_up(scheduled, tmp_path, limit):
    failures = scheduled(Pretending(lambda seeds: "hangs" if 2 in seeds else None), **{limit: MINUTE})
    assert finished(tmp_path) == [0, 1, 3]
    assert f"hydra.launcher.{limit}" in failures[2].reason


def test_a_stack_that_was_stopped_from_outside_goes_on_but_not_for_ever(scheduled, tmp_path):
    executor: Pretending = Pretending(
        lambda seeds: JobReport("stopped", signum=15) if len(executor.trained) < 3 else None
    )
    assert scheduled(executor) == {}
    assert finished(tmp_path) == [0, 1, 2, 3]
    always = Pretending(lambda seeds: JobReport("stopped", signum=15))
    assert scheduled(always, runs=5)[4].reason == "stopped again and again"


def test_a_signal_stops_what_runs_and_begins_nothing(scheduled, tmp_path, monkeypatch):
    signals = Stop(sweep=True)
    executor = Pretending(lambda seeds: "hangs")
    wait = executor.wait

    def interrupted(seconds):
        signals.request(signal.SIGINT)
        return wait(seconds)

    monkeypatch.setattr(executor, "wait", interrupted)
    assert scheduled(executor, signals=signals) == {}
    assert executor.stopped
    assert finished(tmp_path) == []


def test_runs_of_another_process_are_waited_for_and_what_it_leaves_is_trained(scheduled, tmp_path, monkeypatch):
    def others(seeds):
        identities = {seed: configuration(tmp_path, seed=seed).identity for seed in seeds}
        if len(seeds) < 4:
            return None
        for seed in (0, 3):
            run = configuration(tmp_path, seed=seed)
            Store(tmp_path).record(run.identity, run.mapping()).finish(example(identity=run.identity, seed=seed))
        return JobReport("done", taken=(identities[1], identities[2]))

    executor = Pretending(lambda seeds: others(seeds))
    claim = Store(tmp_path).claim(configuration(tmp_path, seed=1).identity)
    looks = []
    wait = executor.wait

    def released_later(seconds):
        looks.append(1)
        if len(looks) == 3:
            claim.release()
        return wait(seconds)

    monkeypatch.setattr(executor, "wait", released_later)
    assert scheduled(executor) == {}
    assert executor.trained == [[0, 1, 2, 3], [2], [1]]
    assert finished(tmp_path) == [0, 1, 2, 3]


def test_who_waits_for_another_machine_is_told_for_how_long(tmp_path, capsys):
    run = configuration(tmp_path, seed=0)
    Store(tmp_path).record(run.identity, run.mapping())
    away = Owner("alpha", "another place", 4711, "2", "2026-11-30T08:00:00+00:00")
    claim = take_claim(tmp_path / run.identity, owner=away)

    class Waits(Pretending):
        def wait(self, seconds):
            if self.trained and not self.running:
                claim.release()
            return super().wait(seconds)

    reports = [JobReport("done", taken=(run.identity,))]
    executor = Waits(lambda seeds: reports.pop() if reports else None)
    Scheduler([[run]], executor, ExecutorOptions(), None, View(quiet=True), Stop(sweep=True)).run()
    lines = capsys.readouterr().err.splitlines()
    told = "1 run being trained by process 4711 on alpha since 2026-11-30T08:00:00+00:00 ("
    assert [line for line in lines if told in line and line.endswith(
        "frees a run that is not); waiting, taken over if alpha gives no sign of life for a minute"
    )]  # fmt: skip


def test_the_second_signal_is_not_waited_for():
    signals = Stop(sweep=True)
    signals.hear(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        signals.hear(signal.SIGINT)
