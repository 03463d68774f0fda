"""What a stack will cost, from a trial by a clock of our own."""

from types import SimpleNamespace

import pytest
import torch

from gatelab.sweeps.trial import measure
from tests.training.examples import configuration


@pytest.mark.parametrize(("step", "validation"), [(0.1, 2.0), (0.01, 0.0), (0.001, 30.0)])
def test_steps_and_validations_are_timed_apart(tmp_path, monkeypatch, step, validation):
    now = [100.0]
    counts = []

    def train(runs, display):
        """Start in 5 seconds; the first step takes 3, the first validation 4 more than the others."""
        training, module = runs[0].training, SimpleNamespace(taken=0, device=torch.device("cpu"))
        counts.append(training.max_steps)
        now[0] += 5
        while module.taken < training.max_steps:
            now[0] += 3 if module.taken == 0 else step
            module.taken += 1
            display.on_train_batch_end(module)
            if module.taken % training.validate_every == 0 or module.taken == training.max_steps:
                display.on_validation_start(module)
                now[0] += validation + (4 if module.taken <= training.validate_every else 0)
                display.on_validation_end(module)

    monkeypatch.setattr("gatelab.sweeps.trial.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("gatelab.training.train_stack", train)
    found = measure([configuration(tmp_path, training={"max_steps": 1000, "validate_every": 100})])
    assert found["step_seconds"] == pytest.approx(step)
    assert found["seconds"] == pytest.approx(5 + 3 + 4 + 999 * step + 10 * validation)
    # more steps as long as their time is in the noise
    assert counts == {0.1: [1, 5], 0.01: [1, 5, 21, 101], 0.001: [1, 5, 21, 101]}[step]


def test_a_stack_that_diverges_at_once_is_estimated_too(tmp_path, monkeypatch):
    now = [0.0]

    def train(runs, display):
        now[0] += 5
        display.on_train_batch_end(SimpleNamespace(taken=1, device=torch.device("cpu")))

    monkeypatch.setattr("gatelab.sweeps.trial.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("gatelab.training.train_stack", train)
    found = measure([configuration(tmp_path)])
    assert (found["step_seconds"], found["seconds"]) == (0.0, 5.0)
