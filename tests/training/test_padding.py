"""The content of a task's padding changes no bit of training: noise, dropout, layers, directions, a stack."""

from typing import Any

import numpy as np
import pytest
import torch

from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackData
from gatelab.training.stack_module import StackModule
from tests.training.examples import bits, chorales, configuration

NAN, INF = float("nan"), float("inf")
GARBAGE = (NAN, INF, -INF, 3e38)
WAYS: dict[str, dict[str, Any]] = {
    "input noise": {"training": {"input_noise": 0.3}},
    "weight noise": {"training": {"weight_noise": 0.1}},
    "dropout": {"model": {"num_layers": 2, "dropout": 0.4}},
    "both directions": {"model": {"bidirectional": True, "num_layers": 2}},
    "an embedding": {"model": {"embedding": 3}, "training": {"input_noise": 0.3}},
    "all of it": {
        "model": {"bidirectional": True, "num_layers": 2, "dropout": 0.4},
        "training": {"input_noise": 0.3, "weight_noise": 0.1},
    },
}


def leave(monkeypatch: pytest.MonkeyPatch, task: Any, garbage: float) -> None:
    """Let the batches of a task have garbage behind the ends of sequences, in inputs and targets."""

    def garbled(batch: Any) -> Any:
        ended = np.arange(len(batch.inputs))[:, None] >= batch.lengths
        assert ended.any()
        inputs, targets = (
            np.where(ended[..., None], np.float32(garbage), one) for one in (batch.inputs, batch.targets)
        )
        return batch._replace(inputs=inputs, targets=targets)

    kind = type(task)
    draw, validation = kind.training_batch, kind.validation
    monkeypatch.setattr(kind, "training_batch", lambda self, *place: garbled(draw(self, *place)))
    monkeypatch.setattr(kind, "validation", lambda self: garbled(validation(self)))


def trained(monkeypatch: pytest.MonkeyPatch, tmp_path, path: str, garbage: float, sections: dict[str, Any]) -> Any:
    """Return weights and losses after three steps of two runs, and their validation, as bits."""
    runs = [configuration(tmp_path, task=chorales(tmp_path), seed=seed, path=path, **sections) for seed in (0, 1)]
    with monkeypatch.context() as patch:
        leave(patch, runs[0].task, garbage)
        template = network(runs[0])
        data = StackData(runs, template)
        module = StackModule(runs, template, initial_weights(runs, template))
        for step in range(3):
            module.take_step(data.batch(step))
        module.begin_evaluation()
        with torch.no_grad():
            for batch in data.val_dataloader():
                module.evaluate(batch)
    assert all(progress.active for progress in module.progress)
    weights = {name: weight.detach() for name, weight in module.weights().items()}
    return bits([weights, module.training_losses, module._sums])


@pytest.mark.parametrize("path", ["loop", "native"])
@pytest.mark.parametrize("way", WAYS)
def test_training_sees_nothing_of_the_padding(monkeypatch, tmp_path, way, path):
    law = trained(monkeypatch, tmp_path, path, 0.0, WAYS[way])
    for garbage in GARBAGE:
        assert trained(monkeypatch, tmp_path, path, garbage, WAYS[way]) == law, garbage
