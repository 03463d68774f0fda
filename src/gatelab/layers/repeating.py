"""Calls of a layer: from the second on, what is the same in all of them is not looked up again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.autograd import forward_ad

from gatelab.paths.call import Call, Outputs
from gatelab.paths.path import Path, Repeat

if TYPE_CHECKING:
    from gatelab.layers.layer import Layer

__all__ = ["again", "remember"]

# beside the layers, not in them: copies and files of a layer have no part in it
_known: "WeakKeyDictionary[Layer, tuple[str, Repeat]]" = WeakKeyDictionary()


def again(
    layer: "Layer", inputs: Tensor, states: Mapping[str, Tensor] | None, lengths: Tensor | None
) -> Outputs | None:
    """Return outputs and final states of a call like one before; None if it has to be made in the ordinary way.

    Args:
        layer: whose path may have changed, and its weights too.
        inputs, states, lengths: as for :class:`gatelab.paths.path.Repeat`.
    """
    if _disturbed() or (found := _known.get(layer)) is None:
        return None
    if layer.recompute is not None and torch.is_grad_enabled():
        return None
    path, repeat = found
    return repeat.run(inputs, states, lengths) if path == layer.path and repeat.stands(layer._parameters) else None


def remember(layer: "Layer", path: Path, call: Call) -> None:
    """Find what calls like one that a path has run need not look up, where it has something of the kind."""
    if _disturbed() or call.record or not call.plain:
        return
    repeat = path.repeated(call)
    # a stack, a parametrised or a structured weight: the call had other tensors than the layer
    if repeat is not None and repeat.stands(layer._parameters):
        _known[layer] = (layer.path, repeat)


def _disturbed() -> bool:
    """Return whether something looks at what is computed or changes how."""
    return bool(
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or torch._C._get_tracing_state() is not None
        or torch._C._are_functorch_transforms_active()
        or torch._C._is_any_autocast_enabled()
        or forward_ad._current_level >= 0
    )
