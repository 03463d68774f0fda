"""The weights of torch.nn.LSTM, torch.nn.GRU and torch.nn.RNN in gatelab's names, both ways."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gatelab.errors import UserError
from gatelab.language import Variant, load_variant
from gatelab.language.biases import without_biases
from gatelab.layers.layer import RecurrentLayer

__all__ = ["TorchModule", "copy_from_torch", "copy_to_torch", "new_torch", "torch_arguments", "torch_variant"]

TorchModule = nn.LSTM | nn.GRU | nn.RNN

_GATES: dict[type[TorchModule], tuple[str, ...]] = {
    nn.LSTM: ("i", "f", "z", "o"),
    nn.GRU: ("r", "u", "n"),
    nn.RNN: ("h",),
}
"""The gates in the order in which torch stacks them along the rows of a layer's matrices."""


def torch_arguments() -> tuple[str, ...]:
    """Return the arguments shared by RNN and torch's modules, in their order."""
    return ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")


def _forms() -> tuple[tuple[Variant, type[TorchModule], dict[str, Any]], ...]:
    """Return each variant that torch has a module for, the class, and the arguments that ask for it."""
    elman = load_variant("elman")
    return (
        (load_variant("lstm"), nn.LSTM, {}),
        (load_variant("gru"), nn.GRU, {}),
        (elman, nn.RNN, {"nonlinearity": "tanh"}),
        (elman.edit(h="relu(linear(x, h))"), nn.RNN, {"nonlinearity": "relu"}),
    )


def torch_variant(module: nn.Module) -> Variant:
    """Return the variant whose equations a torch module has.

    Raises:
        UserError: it is none of torch's recurrent modules, or has a projection.
    """
    for variant, kind, asked in _forms():
        alike = isinstance(module, kind) and all(getattr(module, name) == value for name, value in asked.items())
        if alike and not getattr(module, "proj_size", 0):
            return variant
    name = type(module).__name__ + (" with proj_size" if getattr(module, "proj_size", 0) else "")
    raise UserError(f"{name}: only torch.nn.LSTM, GRU and RNN without projection can be carried over")


def new_torch(variant: Variant, **arguments: Any) -> TorchModule:
    """Return a new torch module that computes a variant, with or without its biases.

    Raises:
        UserError: there is none.
    """
    for known, kind, asked in _forms():
        if _computation(variant) in (_computation(known), _computation(without_biases(known))):
            return kind(**arguments, **asked)
    raise UserError(f"variant '{variant.name}' is not torch's: only lstm, gru and elman have a torch form")


def _computation(variant: Variant) -> tuple[Any, ...]:
    """Return everything that determines the numbers of a variant, including the order of its equations."""
    return variant.states, tuple(variant.equations.items()), variant.output


@torch.no_grad()
def copy_from_torch(layers: Sequence[RecurrentLayer], module: TorchModule) -> None:
    """Copy the weights of a torch module into the layers (one for each layer and direction)."""
    for layer, suffix in zip(layers, _suffixes(module), strict=True):
        for position, gate in enumerate(_gates(module)):
            for kind in ("x", "h"):
                rows = _rows(module, f"weight_{'i' if kind == 'x' else 'h'}h_{suffix}", position)
                _copy(f"{gate}_weight_{kind}", layer.get_parameter(f"{gate}_weight_{kind}"), rows)
            if module.bias:
                of_input, of_hidden = (_rows(module, f"bias_{kind}h_{suffix}", position) for kind in "ih")
                second = _second_bias(layer, gate)
                first = layer.get_parameter(f"{gate}_bias")
                _copy(f"{gate}_bias", first, of_input if second is not None else of_input + of_hidden)
                if second is not None:
                    _copy(f"{gate}_bias_2", second, of_hidden)


@torch.no_grad()
def copy_to_torch(layers: Sequence[RecurrentLayer], module: TorchModule) -> None:
    """Copy the weights of the layers into a torch module; its recurrent bias is zero if one bias is enough."""
    for layer, suffix in zip(layers, _suffixes(module), strict=True):
        learned = layer.learned()
        for position, gate in enumerate(_gates(module)):
            for kind in ("x", "h"):
                rows = _rows(module, f"weight_{'i' if kind == 'x' else 'h'}h_{suffix}", position)
                _copy(f"{gate}_weight_{kind}", rows, learned[f"{gate}_weight_{kind}"])
            if not module.bias:
                continue
            of_input, of_hidden = (_rows(module, f"bias_{kind}h_{suffix}", position) for kind in "ih")
            _copy(f"{gate}_bias", of_input, learned[f"{gate}_bias"])
            second = learned.get(f"{gate}_bias_2")
            _copy(f"{gate}_bias_2", of_hidden, torch.zeros_like(of_hidden) if second is None else second)


def _gates(module: TorchModule) -> tuple[str, ...]:
    return next(gates for kind, gates in _GATES.items() if isinstance(module, kind))


def _suffixes(module: TorchModule) -> list[str]:
    directions = ("", "_reverse") if module.bidirectional else ("",)
    return [f"l{layer}{direction}" for layer in range(module.num_layers) for direction in directions]


def _rows(module: TorchModule, name: str, position: int) -> Tensor:
    whole: Tensor = getattr(module, name)  # a parametrised or pruned weight is an attribute computed from others
    if whole.shape[0] != len(_gates(module)) * module.hidden_size:
        raise UserError(f"{name} of shape {tuple(whole.shape)}: must have {len(_gates(module))} times hidden_size rows")
    return whole.view(-1, module.hidden_size, *whole.shape[1:])[position]


def _copy(name: str, target: Tensor, source: Tensor) -> None:
    """Copy a weight, without broadcasting and without loss of precision."""
    if source.shape != target.shape or source.dtype is not target.dtype:
        raise UserError(
            f"weight {name} of {source.dtype}, shape {tuple(source.shape)}: "
            f"must be {target.dtype}, {tuple(target.shape)}"
        )
    target.copy_(source)


def _second_bias(layer: RecurrentLayer, gate: str) -> Tensor | None:
    """Return the bias of a GRU's candidate that is multiplied with the reset gate."""
    name = f"{gate}_bias_2"
    return layer.get_parameter(name) if name in dict(layer.named_parameters()) else None
