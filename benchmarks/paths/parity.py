"""A path is timed only if it computes what the reference computes."""

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.layers.foreign import layer_of
from gatelab.layers.layer import RecurrentLayer
from gatelab.paths import able, reference

__all__ = ["check_parity"]

_TOLERANCE = 1e-4  # of single precision, relative to the largest value, after a few steps
_LEAST = 1e-3  # of the largest value of all outputs and gradients


def check_parity(name: str, device: str = "cpu") -> None:
    """Refuse a variant of which some path has other outputs or gradients than the reference in double precision.

    Args:
        name: the variant.
        device: where its paths run, "cpu" or "cuda".

    Raises:
        UserError: naming the variant, the path, and how far apart the two are.
    """
    torch.manual_seed(0)
    # equal sizes, which many forms of weights divide
    layer = layer_of(load_variant(name), 24, 24).to(device)
    x = torch.randn(7, 6, 24).to(device)
    law = reference()
    exact = _found(law.name, layer, x, torch.float64)
    for path in able(layer.variant, device):
        if path is not law:
            _check(name, path.name, _found(path.name, layer, x, torch.float32), exact)


def _found(path: str, layer: RecurrentLayer, x: Tensor, dtype: torch.dtype) -> list[Tensor]:
    of_path = layer_of(layer.variant, layer.input_size, layer.hidden_size, dtype=dtype, path=path).to(x.device)
    of_path.load_state_dict(layer.state_dict())
    output, _, _ = of_path(x.to(dtype))
    return [output.detach(), *torch.autograd.grad(output.square().sum(), list(of_path.parameters()))]


def _check(name: str, path: str, found: list[Tensor], exact: list[Tensor]) -> None:
    # a gradient that is 0 but for rounding, as that of a bias that cancels, is measured by the others
    least = _LEAST * max(float(law.abs().max()) for law in exact)
    for ours, law in zip(found, exact, strict=True):
        apart = float((ours.double() - law).abs().max()) / max(float(law.abs().max()), least)
        if not apart < _TOLERANCE:
            raise UserError(f"variant '{name}': path {path} is {apart:.1e} away from the loop; nothing is timed")
