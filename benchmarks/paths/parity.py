"""A path is timed only if it computes what the reference computes."""

import torch
from torch import Tensor

from gatelab.compiler import program
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.layers.layer import Layer
from gatelab.paths import able, reference
from gatelab.paths.call import Call
from gatelab.paths.choice import run

__all__ = ["check_parity"]

_TOLERANCE = 1e-4  # of single precision, relative to the largest value, after a few steps


def check_parity(name: str) -> None:
    """Refuse a variant of which some path has other outputs or gradients than the reference in double precision.

    Raises:
        UserError: naming the variant, the path, and how far apart the two are.
    """
    torch.manual_seed(0)
    layer = Layer(load_variant(name), 5, 19)
    x = torch.randn(7, 6, 5)
    law = reference()
    exact = _found(law.name, layer, x, torch.float64)
    for path in able(program(layer.variant), "cpu"):
        if path is not law:
            _check(name, path.name, _found(path.name, layer, x, torch.float32), exact)


def _found(path: str, layer: Layer, x: Tensor, dtype: torch.dtype) -> list[Tensor]:
    weights = {key: value.detach().to(dtype).requires_grad_() for key, value in layer.named_parameters()}
    states = {state: torch.zeros(6, size, dtype=dtype) for state, size in layer.state_sizes().items()}
    output, _, _ = run(path, Call(program(layer.variant), weights, x.to(dtype), states, 19))
    return [output, *torch.autograd.grad(output.square().sum(), list(weights.values()))]


def _check(name: str, path: str, found: list[Tensor], exact: list[Tensor]) -> None:
    for ours, law in zip(found, exact, strict=True):
        apart = float((ours.double() - law).abs().max().detach() / law.abs().max().detach().clamp(min=1e-30))
        if not apart < _TOLERANCE:
            raise UserError(f"variant '{name}': path {path} is {apart:.1e} away from the loop; nothing is timed")
