"""One run in several processes: ``training.devices``."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from gatelab.errors import LostProcessError, UserError
from gatelab.store import Stopped, Store
from gatelab.sweeps.executors.devices import together
from gatelab.sweeps.plan import stacks
from gatelab.training import train_stack
from gatelab.training.watcher import Watcher
from tests.faults.test_resume import After
from tests.training.examples import checkpoint, configuration

TOLERANCE = 5e-6
"""Of weights of about 1 after some steps, in float32."""
RUN = {
    "task": {"name": "modular_arithmetic", "length": 13, "validation_size": 300, "test_size": 300},
    "model": {"hidden_size": 6, "num_layers": 2, "dropout": 0.3, "zoneout_hidden": 0.1},
}
STEPS = {"max_steps": 6, "batch_size": 6, "validate_every": 3, "input_noise": 0.1, "weight_noise": 0.01}
TEXT = "the cat sat on the mat and the rat sat on the cat; " * 12


def of(folder, devices, training=STEPS, **sections):
    return configuration(folder, training={**training, "devices": devices}, **sections)


def check_equal(one, several, identity):
    """To rounding: weights, history, and what validation and test measured."""
    torch.testing.assert_close(
        *(checkpoint(folder, identity, "last.pt")["weights"] for folder in (several, one)), rtol=0, atol=TOLERANCE
    )
    histories = [
        [(row["step"], row["loss"], row.get("score", 0)) for row in Store(folder).history(identity)]
        for folder in (several, one)
    ]
    assert len(histories[1]) > 2
    assert histories[0] == [pytest.approx(row, abs=TOLERANCE) for row in histories[1]]
    results = [Store(folder).finished(identity) for folder in (several, one)]
    assert results[0].test.loss == pytest.approx(results[1].test.loss, abs=TOLERANCE)


def test_two_processes_train_what_one_trains(tmp_path):
    one, two = of(tmp_path / "1", 1, **RUN), of(tmp_path / "2", 2, **RUN)
    assert two.identity == one.identity
    train_stack([one])
    train_stack([two])
    check_equal(tmp_path / "1", tmp_path / "2", one.identity)
    origin = json.loads((tmp_path / "2" / two.identity / "provenance.json").read_text())
    assert (origin["devices"], origin["training_loop"]) == (2, "Lightning: training.devices=2")


def test_carried_states_and_a_run_that_is_stopped(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    task = {"name": "characters", "path": str(path), "length": 9, "vocabulary": 18}
    training = {"max_steps": 7, "batch_size": 4, "validate_every": 4, "truncate": 5}
    one, two = (of(tmp_path / str(devices), devices, training, task=task) for devices in (1, 2))
    train_stack([one])
    # before the sixth step, in the middle of a stream
    with pytest.raises(Stopped):
        train_stack([two], stop=After(7))
    train_stack([two])
    check_equal(tmp_path / "1", tmp_path / "2", one.identity)


class Kills(Watcher):
    """Ends the other process of a run after its first step."""

    def on_train_batch_end(self, module):
        if module.taken == 1:
            # this process has other children: what W&B and multiprocessing have started
            for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                if b"gatelab.training.rank_process" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGKILL)


def test_a_process_that_is_killed_ends_the_run_in_one_line(tmp_path):
    run = of(tmp_path, 2, **RUN)
    with pytest.raises(LostProcessError, match=r"^process 2 of training\.devices=2 was ended by SIGKILL$"):
        train_stack([run], display=Kills())
    assert Store(tmp_path).finished(run.identity) is None


@pytest.mark.parametrize(
    "devices, sections, line",
    [
        (4, {}, "training.devices=4: must divide training.batch_size=6, of which each process takes as much"),
        (
            2,
            {"stack": {"size": 4}},
            "stack.size=4: training.devices=2 trains every run by itself, with several processes; must be auto or 1",
        ),
        (2, {"device": "mps"}, "training.devices=2: device=mps is one device; must be 1"),
        (0, {}, "training.devices=0: must be at least 1"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, devices, sections, line):
    with pytest.raises(UserError) as refused:
        of(tmp_path, devices, **sections)
    assert str(refused.value) == line


def test_a_stack_of_several_runs_is_refused(tmp_path):
    runs = [of(tmp_path, 2, seed=seed) for seed in (0, 1)]
    with pytest.raises(UserError, match=r"^training\.devices=2: is for one run, and this stack has 2; must be 1$"):
        train_stack(runs)
    assert not list(tmp_path.iterdir())


def test_a_sweep_trains_each_of_them_by_itself(tmp_path):
    assert [len(stack) for stack in stacks([of(tmp_path, 2, seed=seed) for seed in (0, 1, 2)])] == [1, 1, 1]
    assert [len(stack) for stack in stacks([of(tmp_path, 1, seed=seed) for seed in (0, 1, 2)])] == [3]


def test_a_worker_gets_as_many_gpus_as_a_run_takes():
    assert together(["0", "1", "2", "3", "4"], 2) == ("0,1", "2,3")
