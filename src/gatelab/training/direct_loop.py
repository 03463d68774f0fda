"""The loop over direct steps and validations, and the test: Lightning's hooks without Lightning."""

from collections.abc import Sequence
from typing import Any

import torch

from gatelab.training.direct_step import DirectStep
from gatelab.training.stack_batches import EvaluationBatches, StackData
from gatelab.training.stack_module import StackModule
from gatelab.training.watcher import Watcher

__all__ = ["measure_directly", "train_directly"]


def train_directly(module: StackModule, data: StackData, watchers: Sequence[Watcher], step: DirectStep) -> None:
    """Train a stack from its current step to its end, or until most of its runs have ended."""
    hooks = _Hooks(module, watchers)
    try:
        hooks.call("on_train_start")
        last, every = (getattr(module.configurations[0].training, name) for name in ("max_steps", "validate_every"))
        while module.active and not module.divides:
            if module.due:
                _validate(module, data, hooks)
                continue
            if module.taken >= last:
                break
            to_next = every - module.taken % every
            hooks.call("on_train_batch_start")
            step.take(data, min(to_next, last - module.taken))
            hooks.call("on_train_batch_end")
        hooks.call("on_train_end")
    except BaseException as error:
        hooks.call("on_exception", error)
        raise


class _Hooks:
    """Calls those watchers that have a method of their own: the empty ones cost time in every step."""

    def __init__(self, module: StackModule, watchers: Sequence[Watcher]) -> None:
        self.module, self.watchers = module, watchers
        self._own: dict[str, list[Any]] = {}

    def call(self, name: str, *arguments: Any) -> None:
        own = self._own.get(name)
        if own is None:
            has_own = [one for one in self.watchers if getattr(type(one), name) is not getattr(Watcher, name)]
            own = self._own[name] = [getattr(one, name) for one in has_own]
        for method in own:
            method(self.module, *arguments)


@torch.no_grad()
def _validate(module: StackModule, data: StackData, hooks: _Hooks) -> None:
    module.eval()
    hooks.call("on_validation_start")
    module.begin_evaluation()
    for batch in EvaluationBatches(data.task.packed_validation(), data.task):
        hooks.call("on_validation_batch_start")
        module.evaluate(batch)
    module.end_validation()
    hooks.call("on_validation_end")
    module.train()


@torch.no_grad()
def measure_directly(module: StackModule, data: StackData, watchers: Sequence[Watcher]) -> None:
    """Open the test split, on a processor."""
    hooks = _Hooks(module, watchers)
    module.eval()
    hooks.call("on_test_start")
    module.begin_evaluation()
    for batch in EvaluationBatches(data.task.packed_test(), data.task):
        hooks.call("on_test_batch_start")
        module.evaluate(batch)
    module.end_test()
    module.train()
