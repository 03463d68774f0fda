"""A path is timed only if it computes what the loop computes."""

import torch
from torch import Tensor

from gatelab.compiler import program
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.layers.layer import Layer
from gatelab.paths import run_loop, run_native

__all__ = ["check_parity"]

_TOLERANCE = 1e-4  # of single precision, relative to the largest value, after a few steps


def check_parity(name: str) -> None:
    """Refuse a variant whose compiled outputs or gradients are not the loop's.

    Raises:
        UserError: naming the variant and how far apart the two are.
    """
    torch.manual_seed(0)
    variant = load_variant(name)
    layer = Layer(variant, 5, 19)
    x = torch.randn(7, 6, 5)
    found: dict[object, list[Tensor]] = {}
    for run, dtype in ((run_native, torch.float32), (run_loop, torch.float64)):
        weights = {key: value.detach().to(dtype).requires_grad_() for key, value in layer.named_parameters()}
        states = {state: torch.zeros(6, size, dtype=dtype) for state, size in layer.state_sizes().items()}
        output, _, _ = run(program(variant), weights, x.to(dtype), states, 19)
        found[run] = [output, *torch.autograd.grad(output.square().sum(), list(weights.values()))]
    for ours, law in zip(found[run_native], found[run_loop], strict=True):
        apart = float((ours.double() - law).abs().max().detach() / law.abs().max().detach().clamp(min=1e-30))
        if not apart < _TOLERANCE:
            raise UserError(f"variant '{name}': path native is {apart:.1e} away from the loop; nothing is timed")
