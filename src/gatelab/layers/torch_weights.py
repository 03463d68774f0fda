"""The weights of torch.nn.LSTM and torch.nn.GRU in gatelab's names, both ways."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gatelab.layers.layer import RecurrentLayer

__all__ = ["copy_from_torch", "copy_to_torch"]


@torch.no_grad()
def copy_from_torch(layers: Sequence[RecurrentLayer], module: nn.LSTM | nn.GRU) -> None:
    """Copy the weights of a torch module into the layers (one for each layer and direction)."""
    for layer, suffix in zip(layers, _suffixes(module), strict=True):
        for position, gate in enumerate(_gates(module)):
            for kind in ("x", "h"):
                rows = _rows(module, f"weight_{'i' if kind == 'x' else 'h'}h_{suffix}", position)
                layer.get_parameter(f"{gate}_weight_{kind}").copy_(rows)
            if module.bias:
                of_input, of_hidden = (_rows(module, f"bias_{kind}h_{suffix}", position) for kind in "ih")
                second = _second_bias(layer, gate)
                layer.get_parameter(f"{gate}_bias").copy_(of_input if second is not None else of_input + of_hidden)
                if second is not None:
                    second.copy_(of_hidden)
            else:
                for bias in (layer.get_parameter(f"{gate}_bias"), _second_bias(layer, gate)):
                    if bias is not None:
                        bias.zero_()


@torch.no_grad()
def copy_to_torch(layers: Sequence[RecurrentLayer], module: nn.LSTM | nn.GRU) -> None:
    """Copy the weights of the layers into a torch module; its recurrent bias is zero where one bias is enough."""
    for layer, suffix in zip(layers, _suffixes(module), strict=True):
        for position, gate in enumerate(_gates(module)):
            for kind in ("x", "h"):
                rows = _rows(module, f"weight_{'i' if kind == 'x' else 'h'}h_{suffix}", position)
                rows.copy_(layer.get_parameter(f"{gate}_weight_{kind}"))
            second = _second_bias(layer, gate)
            _rows(module, f"bias_ih_{suffix}", position).copy_(layer.get_parameter(f"{gate}_bias"))
            _rows(module, f"bias_hh_{suffix}", position).copy_(torch.tensor(0.0) if second is None else second)


def _gates(module: nn.LSTM | nn.GRU) -> tuple[str, ...]:
    """Return the gates in the order in which torch stacks them along the rows of a layer's matrices."""
    return ("i", "f", "z", "o") if isinstance(module, nn.LSTM) else ("r", "u", "n")


def _suffixes(module: nn.LSTM | nn.GRU) -> list[str]:
    directions = ("", "_reverse") if module.bidirectional else ("",)
    return [f"l{layer}{direction}" for layer in range(module.num_layers) for direction in directions]


def _rows(module: nn.LSTM | nn.GRU, name: str, position: int) -> Tensor:
    return module.get_parameter(name).view(-1, module.hidden_size, *module.get_parameter(name).shape[1:])[position]


def _second_bias(layer: RecurrentLayer, gate: str) -> Tensor | None:
    """Return the bias inside the reset gate's reach, which a GRU's candidate has beside its own."""
    name = f"{gate}_bias_2"
    return layer.get_parameter(name) if name in dict(layer.named_parameters()) else None
