"""A stack without memory gives one line with its estimate, and a smaller stack is tried."""

import pytest
import torch

from gatelab.cli import entry
from gatelab.cli.train import train
from gatelab.errors import SharedError, UserError
from gatelab.store.faults import VARIABLE
from gatelab.sweeps import memory_estimate
from gatelab.sweeps.job import Job
from gatelab.sweeps.memory_estimate import Room, is_out_of_memory, needed, shown
from gatelab.sweeps.work import failed, perform
from tests.faults.sweeping import SMALL
from tests.training.examples import configuration

QUICK = [*SMALL[1:], "training.max_steps=4", "training.validate_every=2", "progress=false"]


def refused(size):
    with pytest.raises(RuntimeError) as raised:
        torch.empty(size)
    return raised.value


def test_what_torch_says_of_memory_is_known():
    assert is_out_of_memory(refused(2**52))
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory_estimate. Tried to allocate 2.00 GiB"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_single_run_out_of_memory_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "memory:0")
    with pytest.raises(SystemExit) as ended:
        entry.run(train, [*QUICK])
    line, *rest = capsys.readouterr().err.splitlines()
    assert (ended.value.code, rest) == (2, [])
    assert line.startswith("out of memory (MemoryError: injected); about 45")
    assert "are needed for lstm on adding (model.hidden_size=4, 6 steps, training.batch_size=4), and there are " in line


def test_a_stack_out_of_memory_is_divided(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "memory:1")
    report = perform(Job.of([configuration(tmp_path, seed=seed) for seed in range(2)], "two runs", None))
    assert (report.kind, report.helps) == ("failed", "again")
    assert report.reason.startswith("out of memory (MemoryError: injected); about ")
    assert "2 runs together" in report.reason


def test_what_may_help_after_an_error():
    assert failed(RuntimeError("broken")).helps == "again"
    assert failed(UserError("a folder of another run")).helps == "dividing"
    assert failed(SharedError("a path that no one has")).helps == "nothing"


def test_a_stack_whose_runs_share_an_error_says_so(tmp_path):
    run = configuration(tmp_path, device="cuda", path="loop")
    assert perform(Job.of([run], "a run", None)).helps == "nothing"


@pytest.mark.parametrize(
    ("size", "text"), [(850 * 2**20, "850 MB"), (3.25 * 2**30, "3.25 GB"), (999 * 2**30, "999 GB"), (2**41, "2 TB")]
)
def test_sizes_as_a_person_says_them(size, text):
    assert shown(size) == text


def test_the_need_grows_with_what_decides_it(tmp_path):
    def more(runs=1, **changes):
        return needed(configuration(tmp_path, **changes), runs) - memory_estimate._PROCESS

    small = {"hidden_size": 64}
    base = more(model=small)
    assert more(runs=4, model=small) == pytest.approx(4 * base, rel=0.05)
    # the backward pass of the loop: 23 values of each unit, step and sequence, 4 bytes each
    steps = {"batch_size": 1000}
    assert more(model=small, training=steps, path="loop") - more(model=small, path="loop") == pytest.approx(
        4 * 23 * 64 * 8 * 994, rel=0.05
    )


def test_the_least_of_the_limits_counts(monkeypatch, tmp_path):
    for name, size in (("memory.max", 3 * 2**20), ("memory.current", 2**20)):
        (tmp_path / "job").mkdir(exist_ok=True)
        (tmp_path / "job" / name).write_text(f"{size}\n")
    (tmp_path / "own").write_text("0::/job\n")
    assert memory_estimate._groups(tmp_path, tmp_path / "own") == [
        Room(3 * 2**20, 2 * 2**20, "that the control group of this process has")
    ]
    (tmp_path / "job" / "memory.max").write_text("max\n")
    assert memory_estimate._groups(tmp_path, tmp_path / "own") == []
    (tmp_path / "memory" / "job").mkdir(parents=True)
    (tmp_path / "memory" / "job" / "memory.limit_in_bytes").write_text("4096")
    (tmp_path / "memory" / "job" / "memory.usage_in_bytes").write_text("8192")
    (tmp_path / "own").write_text("5:cpu:/job\n4:memory:/job\n")
    assert memory_estimate._groups(tmp_path, tmp_path / "own") == [
        Room(4096, 0, "that the control group of this process has")
    ]


def test_this_machine_has_memory():
    found = memory_estimate.room()
    assert 2**28 < found.free <= found.total < 2**50
