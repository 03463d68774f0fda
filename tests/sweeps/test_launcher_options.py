"""The options below hydra.launcher, and what travels to workers."""

from typing import Any

import pytest
from omegaconf import OmegaConf

from gatelab.errors import UserError
from gatelab.keys import RayKeys, SubmititKeys
from gatelab.sweeps import ExecutorOptions
from gatelab.sweeps.executors import check_engine
from gatelab.sweeps.executors.devices import visible_gpus
from gatelab.sweeps.job import Job, JobReport
from hydra_plugins.gatelab_stacked_launcher.stacked_launcher import StackedLauncherConfig
from tests.training.examples import configuration


def test_the_launcher_and_the_checks_have_the_same_options_and_defaults():
    options: Any = OmegaConf.to_container(OmegaConf.structured(StackedLauncherConfig))
    assert options.pop("_target_").endswith(".StackedLauncher")
    assert set(options) == set(ExecutorOptions.model_fields)
    assert set(options["submitit"]) == set(SubmititKeys.model_fields)
    assert set(options["ray"]) == set(RayKeys.model_fields)
    assert ExecutorOptions.read(options) == ExecutorOptions()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"executor": "proceses"}, "hydra.launcher.executor=proceses: must be .*did you mean 'processes'"),
        ({"workers": 0}, "hydra.launcher.workers=0: must be at least 1"),
        ({"limit_minutes": -1}, "hydra.launcher.limit_minutes=-1: must be greater than 0"),
        ({"submitit": {"cluster": "pbs"}}, "hydra.launcher.submitit.cluster=pbs: must be 'slurm', 'local' or 'debug'"),
        ({"worker": 2}, "unknown key 'hydra.launcher.worker' .did you mean 'workers'"),
    ],
)
def test_what_is_not_allowed_is_said_in_one_line(given, sentence):
    with pytest.raises(UserError, match=sentence) as refused:
        ExecutorOptions.read(given)
    assert "\n" not in str(refused.value)


def test_an_engine_that_is_not_installed_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"executor=submitit: needs `pip install submitit`"):
        check_engine(ExecutorOptions(executor="submitit"))
    check_engine(ExecutorOptions())


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "hydra.launcher.executor=processes end"),
        ({"executor": "ray"}, "hydra.launcher.executor=ray end"),
        ({"executor": "submitit", "submitit": {"cluster": "local"}}, "hydra.launcher.submitit.cluster=local end"),
    ],
)
def test_stacks_are_left_to_a_cluster_alone(given, line):
    with pytest.raises(UserError, match=line):
        check_engine(ExecutorOptions(detach=True, **given))


def test_one_stack_at_once_on_each_gpu_or_on_as_many_cores_as_it_has_threads(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert ExecutorOptions().slots(threads=3, gpus=0) == 2
    assert ExecutorOptions().slots(threads=16, gpus=0) == 1
    assert ExecutorOptions().slots(threads=1, gpus=4) == 4
    assert ExecutorOptions(workers=3).slots(threads=1, gpus=4) == 3


def test_the_gpus_of_the_environment(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-ab")
    assert visible_gpus() == ("2", "GPU-ab")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == ()


def test_jobs_and_reports_travel_as_json(tmp_path):
    runs = [configuration(tmp_path, "peephole", seed=seed, optimizer={"_target_": "torch.optim.SGD", "lr": 0.1})
            for seed in (0, 1)]  # fmt: skip
    job = Job.of(runs, "title", "sweep")
    again = Job.from_text(job.text())
    assert again == job
    assert again.runs() == runs
    report = JobReport("failed", ("ab",), "reason", "detail", {"seconds": 0.1}, 15)
    assert JobReport.from_text(report.text()) == report


def test_a_worker_does_not_train_what_was_not_planned(tmp_path):
    job = Job.of([configuration(tmp_path)], "title", None)
    other = Job("title", job.configurations, ("0" * 16,))
    with pytest.raises(RuntimeError, match="planned and trained by different versions of gatelab"):
        other.runs()


def test_the_frozen_configuration_does_not_read_the_file_of_its_variant(tmp_path, monkeypatch):
    job = Job.of([configuration(tmp_path, "peephole")], "title", None)
    monkeypatch.setattr("gatelab.locations.conf_directory", lambda: tmp_path / "nowhere")
    monkeypatch.setattr(
        "gatelab.configuration.resolved.variant_files", lambda directories: pytest.fail("a file was read")
    )
    monkeypatch.setattr("gatelab.configuration.resolved.edited_variant", lambda *rest: pytest.fail("a file was read"))
    assert job.runs()[0].label == "peephole"
