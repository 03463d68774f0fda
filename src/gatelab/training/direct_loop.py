"""The loop over direct steps and validations, with the hooks that Lightning's loop calls."""

from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning import Callback

from gatelab.training.direct_step import DirectStep
from gatelab.training.lightning_module import StackModule
from gatelab.training.stack_batches import EvaluationBatches, StackData

__all__ = ["train_directly"]


def train_directly(module: StackModule, data: StackData, callbacks: Sequence[Callback], step: DirectStep) -> None:
    """Train a stack from its current step to its end, or until most of its runs have ended.

    The callbacks get no Trainer and no batch, which none of ours reads, and are called once for several steps where
    these are one call of compiled code.
    """
    hooks = _Hooks(module, callbacks)
    try:
        hooks.call("on_train_start")
        last, every = (getattr(module.configurations[0].training, name) for name in ("max_steps", "validate_every"))
        taken = 0
        while module.active and not module.divides:
            if module.due:
                _validate(module, data, hooks)
                continue
            if module.taken >= last:
                break
            to_next = every - module.taken % every
            hooks.call("on_train_batch_start", None, taken)
            before = module.taken
            step.take(data, min(to_next, last - module.taken))
            taken += module.taken - before
            hooks.call("on_train_batch_end", None, None, taken - 1)
        hooks.call("on_train_end")
    except BaseException as error:
        hooks.call("on_exception", error)
        raise


class _Hooks:
    """Calls those callbacks that have a method of their own: the empty ones cost time in every step."""

    def __init__(self, module: StackModule, callbacks: Sequence[Callback]) -> None:
        self.module, self.callbacks = module, callbacks
        self._own: dict[str, list[Any]] = {}

    def call(self, name: str, *arguments: Any) -> None:
        own = self._own.get(name)
        if own is None:
            has_own = [one for one in self.callbacks if getattr(type(one), name) is not getattr(Callback, name)]
            own = self._own[name] = [getattr(one, name) for one in has_own]
        for method in own:
            method(None, self.module, *arguments)


@torch.no_grad()
def _validate(module: StackModule, data: StackData, hooks: _Hooks) -> None:
    module.eval()
    hooks.call("on_validation_start")
    module.on_validation_epoch_start()
    for number, batch in enumerate(EvaluationBatches(data.task.validation())):
        hooks.call("on_validation_batch_start", batch, number)
        module.validation_step(batch, number)
    module.on_validation_epoch_end()
    hooks.call("on_validation_end")
    module.train()
