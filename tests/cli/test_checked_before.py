"""What can be known before the first run is: in one line, with status 2, once for a sweep, nothing left behind."""

import resource
from pathlib import Path

import pytest

from gatelab.cli import entry
from gatelab.cli.train import train
from gatelab.disk import check_place
from gatelab.errors import UserError
from gatelab.sweeps import feasibility
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.memory_estimate import Room
from tests.faults.sweeping import SMALL
from tests.training.examples import configuration

QUICK = [*SMALL[1:], "hydra.launcher.executor=inline", "training.max_steps=4", "training.validate_every=2",
         "progress=false"]  # fmt: skip
NOT_LINEAR = "a state is not linear in itself given the input"


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Train with some arguments; return the line on stderr, once it is sure that nothing else happened."""
    monkeypatch.chdir(tmp_path)

    def refused(*arguments):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(SystemExit) as ended:
            entry.run(train, [*QUICK, *arguments])
        printed = capsys.readouterr()
        assert (ended.value.code, printed.out) == (2, "")
        assert sorted(tmp_path.rglob("*")) == before
        line, *rest = printed.err.splitlines()
        assert rest == []
        return line

    return refused


SWEEP = ("-m", "seed=1,2")


@pytest.mark.parametrize("several", [(), SWEEP])
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("path=scan",), f"path=scan cannot run variant 'lstm': {NOT_LINEAR}; must be auto, native, triton or loop"),
        (
            ("path=scan", "variant=mlstm"),
            "path=scan cannot run variant 'mlstm': the variant is foreign, and it runs equations; must be auto, native "
            "or loop",
        ),
        (
            ("path=native", "variant=mlstm", "device=cuda"),
            "path=native cannot run variant 'mlstm': it runs on the CPU, not on cuda; must be auto or loop",
        ),
        (
            ("path=native", "device=cuda"),
            "path=native cannot run variant 'lstm': it runs on the CPU, not on cuda; must be auto, triton or loop",
        ),
    ],
)
def test_a_path_that_cannot_run(refused, several, arguments, line):
    place = " (point 1 of 2: seed=1)" if several else ""
    assert refused(*several, *arguments) == f"{line}{place}"


def test_a_path_that_one_variant_of_a_sweep_cannot_run(refused):
    allowed = "auto, native, triton or loop"
    line = f"path=scan cannot run variant 'lstm': {NOT_LINEAR}; must be {allowed} (point 2 of 2: variant=lstm)"
    assert refused("-m", "variant=min_gru,lstm", "path=scan") == line


@pytest.mark.parametrize("several", [(), SWEEP])
def test_no_compiler_for_the_native_path(refused, several, monkeypatch, tmp_path):
    monkeypatch.setenv("CC", str(tmp_path / "nowhere"))
    line = f"path=native cannot run: there is no C compiler: CC={tmp_path}/nowhere names no program that is there"
    assert refused("path=native", *several) == line


@pytest.mark.parametrize("several", [(), SWEEP])
def test_a_logger_that_is_not_installed(refused, several, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    line = "logger=tensorboard: needs `pip install tensorboard`; allowed without: wandb, csv, none"
    assert refused("logger=tensorboard", *several) == line


@pytest.mark.parametrize("several", [(), SWEEP])
def test_a_device_that_is_not_there(refused, several, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert refused("device=cuda", *several) == "device=cuda: no CUDA device is available; allowed here: auto, cpu"


@pytest.mark.parametrize("several", [(), SWEEP])
@pytest.mark.parametrize(
    ("place", "what"), [("taken", "it is a file"), ("taken/below", "{}/taken is a file")], ids=["file", "below a file"]
)
def test_a_store_that_is_a_file(refused, several, place, what, tmp_path):
    (tmp_path / "taken").write_text("a file")
    assert refused(f"runs_dir={place}", *several) == (f"runs_dir={place}: must be a folder; {what.format(tmp_path)}")


@pytest.mark.parametrize("several", [(), SWEEP])
def test_a_store_on_a_full_disk(refused, several):
    # /dev/full takes nothing, and a folder on it cannot be made; /proc is a folder that takes no file
    assert refused("runs_dir=/proc/runs", *several).startswith("runs_dir=/proc/runs: cannot be written: ")


def test_looking_at_a_folder_leaves_nothing(tmp_path):
    check_place(tmp_path / "runs" / "deeper", "runs_dir=…")
    assert list(tmp_path.iterdir()) == []


HUGE = ("model.hidden_size=40000", "path=loop")


@pytest.mark.parametrize("several", [(), SWEEP])
def test_a_run_that_is_larger_than_the_memory(refused, several, monkeypatch):
    monkeypatch.setattr(feasibility, "room", lambda: Room(2**34, 2**33, "of this machine"))
    line = refused(*HUGE, *several)
    # weights alone: 4 gates of 40000² numbers of 4 bytes, 24 times
    assert line.startswith(
        "lstm on adding (model.hidden_size=40000, 6 steps, training.batch_size=4): needs about 573 GB of memory"
    )
    assert line.endswith(", and there are 16 GB of this machine")


def test_a_stack_that_is_larger_than_the_memory_names_its_runs(refused, monkeypatch):
    monkeypatch.setattr(feasibility, "room", lambda: Room(2**29, 2**29, "of this machine"))
    line = refused("-m", "seed=range(8)", "stack.size=8", "model.hidden_size=512", "path=loop")
    assert "training.batch_size=4, 8 runs together): needs about 1." in line


def test_a_sequence_that_is_larger_than_the_memory(refused):
    # numbered in floats of 4 bytes, two inputs a step: 8 TB, which no allocation is given
    line = refused("task.length=1000000000000")
    assert line.startswith("task=adding: one sequence of it is larger than the free memory: ")


def test_the_limit_on_memory_is_gone_after_the_look(refused):
    before = resource.getrlimit(resource.RLIMIT_AS)
    refused("task.length=1000000000000")
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_memory_that_may_not_do_is_a_warning(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(feasibility, "room", lambda: Room(2**40, 2**28, "of this machine"))
    feasibility.check_feasible([configuration(tmp_path, seed=seed) for seed in (1, 2)], ExecutorOptions(), slots=2)
    line, *rest = capsys.readouterr().err.splitlines()
    assert rest == []
    assert line.startswith("warning: memory may not do: 2 stacks at once, each of up to about 4")
    assert line.endswith("and 256 MB of 1 TB of this machine are free; fewer hydra.launcher.workers need less")


def test_the_largest_runs_are_looked_at_first_and_the_rest_is_told(tmp_path, monkeypatch, capsys):
    asked = []

    def needed(run, runs):
        asked.append(run.model.hidden_size)
        return 1

    monkeypatch.setattr(feasibility, "needed", needed)
    monkeypatch.setattr(feasibility, "_LONGEST", -1.0)
    runs = [configuration(tmp_path / "runs", model={"hidden_size": size}) for size in (2, 8, 4)]
    feasibility.check_feasible(runs, ExecutorOptions(executor="inline"))
    assert set(asked) == {8}
    assert capsys.readouterr().err == (
        "note: not checked, because it takes too long: the memory for 2 of 3 kinds of runs, the smaller ones\n"
    )


def test_a_job_of_a_cluster_has_the_memory_that_is_asked_for(tmp_path):
    options = ExecutorOptions(executor="submitit", submitit={"mem_gb": 0.125})
    with pytest.raises(UserError, match=r"and there are 128 MB that a job has \(hydra.launcher.submitit.mem_gb\)$"):
        feasibility.check_feasible([configuration(tmp_path)], options)


def test_the_memory_of_other_machines_is_not_looked_at(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(feasibility, "room", lambda: Room(1, 1, "of this machine"))
    feasibility.check_feasible([configuration(tmp_path)], ExecutorOptions(executor="ray"))
    assert capsys.readouterr().err == ""


def test_a_finished_sweep_asks_nothing_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train([*QUICK, "-m", "seed=1,2"]) == 0
    monkeypatch.setattr(feasibility, "room", lambda: Room(1, 1, "of this machine"))
    assert train([*QUICK, "-m", "seed=1,2"]) == 0
    assert len(list(Path("runs").glob("*/result.json"))) == 2


def test_more_threads_than_cores_are_told_of_a_single_run_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gatelab.sweeps.notes.cores", lambda: 2)
    assert train([*QUICK, "path=loop", "threads=3"]) == 0
    line = "note: threads=3: this process has 2 cores; more threads than cores make training slower"
    assert line in capsys.readouterr().err.splitlines()
