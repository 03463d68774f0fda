"""Values whose gradient is said to be another than their derivative, in PyTorch."""

from typing import Any

import torch
from torch import Tensor

__all__ = ["scale_gradient", "straight_through"]


def straight_through(u: Tensor | float, v: Tensor | float) -> Tensor:
    """Return u, whose gradient goes to v as it is and not to u; one of them is a tensor."""
    if not isinstance(v, Tensor):
        assert isinstance(u, Tensor)
        return u.detach()
    return _Replaced.apply(*torch.broadcast_tensors(_like(u, v), v))


def scale_gradient(u: Tensor | float, v: Tensor | float) -> Tensor:
    """Return u, whose gradient is multiplied with v; none goes to v."""
    if not isinstance(v, Tensor):
        assert isinstance(u, Tensor)
        # 0 stops a gradient, also an infinite one
        return straight_through(u, u * v) if v else u.detach()
    return straight_through(u, _like(u, v) * v.detach())


def _like(u: Tensor | float, v: Tensor) -> Tensor:
    return u if isinstance(u, Tensor) else torch.full_like(v, u)


class _Replaced(torch.autograd.Function):
    """The value of the first argument with the gradient of the second, exactly: nothing is added and subtracted."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, other: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient

    @staticmethod
    def jvp(ctx: Any, of_value: Tensor, of_other: Tensor) -> Tensor:
        return of_other.clone()
