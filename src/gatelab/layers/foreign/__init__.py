"""Foreign variants, which cannot be written as equations: layers by the names used in variant files."""

import torch

from gatelab.language import Variant
from gatelab.layers.foreign.foreign_layer import ForeignLayer
from gatelab.layers.foreign.mlstm import MLSTM
from gatelab.layers.layer import Layer, RecurrentLayer

__all__ = ["FOREIGN_LAYERS", "ForeignLayer", "layer_of"]

FOREIGN_LAYERS: dict[str, type[ForeignLayer]] = {"mlstm": MLSTM}
"""The layer of every foreign variant; their facts are in :data:`gatelab.language.foreign.FOREIGN`."""


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
    kind = Layer if variant.foreign is None else FOREIGN_LAYERS[variant.foreign]
    return kind(variant, input_size, hidden_size, device, dtype, path, recompute)
