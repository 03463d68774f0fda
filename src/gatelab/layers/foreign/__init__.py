"""Variants that equations cannot say: modules that write one step of one run, by the names that files give."""

import torch

from gatelab.language import Variant
from gatelab.layers.foreign.foreign_layer import ModuleLayer
from gatelab.layers.foreign.mlstm import MLSTM
from gatelab.layers.layer import Layer, RecurrentLayer

__all__ = ["MODULES", "ModuleLayer", "layer_of"]

MODULES: dict[str, type[ModuleLayer]] = {"mlstm": MLSTM}
"""Every module that a variant file can name; their facts stand in :data:`gatelab.language.foreign.MODULES`."""


def layer_of(
    variant: Variant,
    input_size: int,
    hidden_size: int,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    path: str = "auto",
    recompute: int | None = None,
) -> RecurrentLayer:
    """Return the layer of a variant; the arguments and errors are those of :class:`RecurrentLayer`."""
    kind = Layer if variant.module is None else MODULES[variant.module]
    return kind(variant, input_size, hidden_size, device, dtype, path, recompute)
