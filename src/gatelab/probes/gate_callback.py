"""The gates of models of one's own, while Lightning trains them."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence
from torch.utils.hooks import RemovableHandle

from gatelab.layers.rnn import RNN
from gatelab.layers.rnn_forms import time_major
from gatelab.probes.gates import histograms_of
from gatelab.probes.in_training import effective_ranks, gradient_by_distance
from gatelab.probes.records import parsed

__all__ = ["GateCallback"]


class GateCallback(Callback):
    """Logs how open the gates of every :class:`gatelab.RNN` of a LightningModule are, at each validation.

    What the history of a run has, for a module of your own. The numbers go where those of
    ``self.log`` go: to the trainer's loggers and ``trainer.callback_metrics``.

        >>> from pytorch_lightning import Trainer
        >>> trainer = Trainer(callbacks=[gatelab.probes.GateCallback(gradient=True)], logger=False)

    - ``gates/f/mean``, ``gates/f/shut``, ``gates/f/open``: mean, share below 0.1, share above 0.9, over units, steps
      and sequences of the first validation batch; padding is left out where the RNN knows lengths.
    - ``gates/f/decay_10``, ``_50``, ``_90``: of the gate that retains, quantiles over units of −E[log f], in nats a
      step; 1/decay is the time scale of forgetting, in steps.
    - ``gates/f/effective_rank``: of the matrices with which the gate reads states (:func:`toggle_space`).
    - ``gradient/loss/lag_20``, where ``gradient`` is asked for: root mean square over sequences of the norm of ∂loss/∂x
      20 steps before a sequence's last, of the first training batch after a validation; x is what the RNN reads, the
      loss what the module returns. Scaled by the loss scale under ``precision="16-mixed"``.

    With several layers or directions ``f`` is ``0.1.f`` (layer, direction); with several RNNs the module's name stands
    before it: ``gates/encoder.0.1.f/mean``. Of an RNN that a batch calls several times the first call counts.

    It costs a forward pass of the first validation batch and the singular values of some matrices a validation. A
    ``gradient`` also has the first training batch compute ∂loss/∂x. Training gets the same numbers with and without it.

    Args:
        gradient: also log the gradient against distance.
    """

    def __init__(self, *, gradient: bool = False) -> None:
        self.gradient = gradient
        self._due = gradient  # a gradient is wanted from the next training batch
        self._handles: list[RemovableHandle] = []
        self._calls: dict[str, tuple[Any, Any, Any]] = {}
        self._slopes: dict[str, Tensor] = {}
        self._warned: set[str] = set()

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Listen to the calls of the first batch."""
        if batch_idx == 0 and dataloader_idx == 0 and not trainer.sanity_checking:
            self._listen(pl_module, self._called)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Log what the gates did in the first batch."""
        if batch_idx == 0 and dataloader_idx == 0 and not trainer.sanity_checking:
            self._stop_listening()
            numbers = self._gates(pl_module)
            if numbers:
                # on_epoch: a validation has one number of each, whatever its number of batches
                pl_module.log_dict(numbers, on_step=False, on_epoch=True, batch_size=1, add_dataloader_idx=False)
            self._due = self.gradient

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Listen to the inputs of the first batch after a validation."""
        if self._due:
            self._listen(pl_module, self._followed)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the gradient against distance."""
        if self._due:
            self._stop_listening()
            self._due = False
            numbers = self._gradients(pl_module)
            if numbers:
                pl_module.log_dict(numbers, on_step=True, on_epoch=False, batch_size=1)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave no hook in a module whose training has failed."""
        self._stop_listening()

    def _listen(
        self, module: LightningModule, hear: Callable[[str, RNN, tuple[Any, ...], dict[str, Any]], Any]
    ) -> None:
        self._stop_listening()
        self._calls, self._slopes = {}, {}
        for name, rnn in _rnns(module).items():

            def heard(rnn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], name: str = name) -> Any:
                return hear(name, rnn, args, kwargs)

            self._handles.append(rnn.register_forward_pre_hook(heard, with_kwargs=True))

    def _stop_listening(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _called(self, name: str, rnn: RNN, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._calls.setdefault(name, _arguments(*args, **kwargs))

    def _followed(self, name: str, rnn: RNN, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Have the inputs of a call keep their gradient; their values stay."""
        if name in self._calls or not torch.is_grad_enabled():
            return None
        inputs, state, lengths = self._calls[name] = _arguments(*args, **kwargs)
        values = inputs.data if isinstance(inputs, PackedSequence) else inputs
        if not values.requires_grad:
            values = values.detach().requires_grad_()

        def keep(slope: Tensor) -> None:
            self._slopes[name] = slope.detach()

        values.register_hook(keep)
        return (_with_values(inputs, values), state), {} if lengths is None else {"lengths": lengths}

    @torch.no_grad()
    def _gates(self, module: LightningModule) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, rnn in self._met(module, "validation", self._calls).items():
            inputs, state, lengths = self._calls[name]
            padded, _, known = time_major(inputs, lengths, rnn.input_size, batch_first=rnn.batch_first)
            # the values of a packed sequence are padded, time first
            transposed = rnn.batch_first and not isinstance(inputs, PackedSequence)
            values = {
                gate: time_major(value, None, value.shape[-1], batch_first=transposed)[0]
                for gate, value in rnn.gates(inputs, state, lengths=lengths).items()
            }
            valid = None if known is None else torch.arange(len(padded))[:, None] < torch.as_tensor(known).cpu()
            numbers: dict[str, float] = {}
            for gate in histograms_of(rnn.variant, values, valid, fine=False):
                numbers |= gate.keyed()
            weights = {each: value.unsqueeze(0) for each, value in rnn.named_parameters()}
            found |= _of(module, name, numbers | effective_ranks(rnn, weights)[0])
        self._calls = {}
        return found

    @torch.no_grad()
    def _gradients(self, module: LightningModule) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, rnn in self._met(module, "training", self._slopes).items():
            inputs, _, lengths = self._calls[name]
            slopes = _with_values(inputs, self._slopes[name])
            slope, _, known = time_major(slopes, lengths, rnn.input_size, batch_first=rnn.batch_first)
            steps = torch.full((slope.shape[1],), len(slope)) if known is None else torch.as_tensor(known).cpu()
            numbers = gradient_by_distance(slope[None].double().cpu().numpy(), steps.numpy() - 1)[0]
            found |= _of(module, name, numbers)
        self._calls, self._slopes = {}, {}
        return found

    def _met(self, module: LightningModule, batch: str, seen: Mapping[str, object]) -> dict[str, RNN]:
        """Return the RNNs that a batch called; warn once of each that it did not."""
        rnns = _rnns(module)
        missing = (
            {"": f"{type(module).__name__} has no gatelab.RNN"}
            if not rnns
            else {name: f"the first {batch} batch did not call '{name}'" for name in rnns if name not in seen}
        )
        for name, why in missing.items():
            if name not in self._warned:
                self._warned.add(name)
                warnings.warn(f"GateCallback: {why}; nothing is logged of it", stacklevel=2)
        return {name: rnn for name, rnn in rnns.items() if name in seen}


def _rnns(module: LightningModule) -> dict[str, RNN]:
    return {name: each for name, each in module.named_modules() if isinstance(each, RNN)}


def _arguments(inputs: Any, state: Any = None, *, lengths: Any = None) -> tuple[Any, Any, Any]:
    """Return the arguments of a call of an RNN in one order."""
    return inputs, state, lengths


def _with_values(inputs: Tensor | PackedSequence, values: Tensor) -> Tensor | PackedSequence:
    """Return values in the form of the inputs."""
    return inputs._replace(data=values) if isinstance(inputs, PackedSequence) else values


def _of(module: LightningModule, name: str, numbers: Mapping[str, float]) -> dict[str, float]:
    """Return numbers under keys that name the RNN, where the module has several."""
    if len(_rnns(module)) < 2:
        return dict(numbers)
    keys = ((parsed(key), value) for key, value in numbers.items())
    return {str(key._replace(part=f"{name}.{key.part}")): value for key, value in keys if key is not None}
