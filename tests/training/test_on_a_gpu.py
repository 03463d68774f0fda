"""Training on a CUDA device: `make test-gpu`."""

import pytest
import torch

from gatelab.training import train_stack
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackData
from gatelab.training.stack_module import StackModule
from tests.training.examples import COPYING, configuration, outcome

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
PATHS = ("triton", "auto")


@pytest.fixture(autouse=True, scope="module")
def device():
    if not torch.cuda.is_available():
        pytest.exit("make test-gpu: torch finds no CUDA device", 2)


def stack(folder, path, **sections):
    return [configuration(folder, seed=seed, path=path, device=DEVICE, **sections) for seed in (1, 2, 3)]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("precision", ["32", "bf16-mixed", "16-mixed"])
def test_a_stack_ends_and_gives_the_same_bits_again(tmp_path, path, precision):
    for folder in ("one", "two"):
        runs = stack(tmp_path / folder, path, training={"precision": precision})
        assert [result.status for result in train_stack(runs)] == ["finished"] * 3
    for run in runs:
        assert outcome(tmp_path / "one", run.identity) == outcome(tmp_path / "two", run.identity)


@pytest.mark.parametrize("path", PATHS)
def test_it_learns_what_a_processor_learns(tmp_path, path):
    here = train_stack([configuration(tmp_path / "cpu", seed=seed) for seed in (1, 2, 3)])
    there = train_stack(stack(tmp_path / "gpu", path))
    for one, other in zip(here, there, strict=True):
        assert other.test.loss == pytest.approx(one.test.loss, rel=1e-3)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "sections", [{}, {"task": COPYING}, {"model": {"num_layers": 2, "dropout": 0.2}}], ids=["last", "every", "layers"]
)
def test_no_step_waits_for_the_device(tmp_path, path, sections):
    runs = stack(tmp_path, path, training={"max_steps": 40, "validate_every": 20}, **sections)
    template = network(runs[0])
    module = StackModule(runs, template, initial_weights(runs, template)).to(DEVICE)
    data = StackData(runs, template)

    def batches():
        for batch in data.train_dataloader(pinned=True):
            yield batch.moved(module.device)

    given = batches()
    module.take_step(next(given))  # compiles, and measures
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            module.take_step(next(given))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert module.taken == 4


def test_two_devices_train_what_one_trains(tmp_path):
    if torch.cuda.device_count() < 2:
        pytest.skip("there is one CUDA device")
    runs = [configuration(tmp_path / str(devices), device=DEVICE, training={"devices": devices}) for devices in (1, 2)]
    one, two = (train_stack([run])[0] for run in runs)
    assert two.test.loss == pytest.approx(one.test.loss, rel=1e-4)
