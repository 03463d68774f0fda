"""The arguments that an optimiser's class takes, and those that a configuration gives. Imports torch when asked."""

import inspect
import math
from collections.abc import Callable
from functools import cache
from typing import Any

from gatelab.errors import UserError, one_line, suggest
from gatelab.keys import OptimizerSection

__all__ = ["argument_defaults", "check_optimizer", "optimizer_class", "without_compiler"]

_NOT_OURS = ("params", "lr", "weight_decay", "maximize", "foreach", "capturable", "differentiable", "fused")


def argument_defaults(optimizer: OptimizerSection) -> dict[str, Any]:
    """Return the arguments that the optimiser's class takes beside lr and weight_decay, with their defaults."""
    import torch

    parameters = inspect.signature(getattr(torch.optim, optimizer.kind)).parameters
    return {name: parameter.default for name, parameter in parameters.items() if name not in _NOT_OURS}


def without_compiler(method: Callable[..., Any]) -> Any:
    """Return a method of torch's optimisers as it was written.

    Around it torch puts one that tells its compiler to leave the method alone, and imports the compiler for that, which
    takes two seconds. None of our optimisers is compiled.
    """
    return inspect.unwrap(method)


@cache
def optimizer_class(kind: str) -> Any:
    """Return a class of torch.optim that is made, and takes steps, without importing torch's compiler.

    The wrapper around its ``step`` also turns gradients off: whoever calls it has done so.
    """
    import torch

    known = getattr(torch.optim, kind)
    plain = {name: without_compiler(getattr(known, name)) for name in ("add_param_group", "step")}
    return type(known.__name__, (known,), plain)


def check_optimizer(optimizer: OptimizerSection) -> None:
    """Raise a UserError for arguments that the optimiser's class does not take."""
    defaults = argument_defaults(optimizer)
    for key, value in optimizer.arguments.items():
        if key not in defaults:
            raise UserError(
                f"unknown key 'optimizer.{key}'{suggest(key, [*defaults, 'lr', 'weight_decay'])}; "
                f"torch.optim.{optimizer.kind} takes lr, weight_decay, {', '.join(defaults)}"
            )
        if wanted := _unlike(value, defaults[key]):
            raise UserError(f"optimizer.{key}={one_line(value)}: must be {wanted}")
    import torch

    try:
        optimizer_class(optimizer.kind)([torch.zeros(1)], lr=1.0, **optimizer.arguments)
    except ValueError as error:
        given = ", ".join(f"{key}={one_line(value)}" for key, value in optimizer.arguments.items())
        raise UserError(f"optimizer: torch.optim.{optimizer.kind} refuses {given}: {error}") from None


def _unlike(value: Any, default: Any) -> str:
    """Say what a value would have to be, or nothing if it is of the kind of the default."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(default, int | float):
        return "" if _is_number(value) else "a number"
    if isinstance(default, tuple):
        fits = isinstance(value, list) and len(value) == len(default) and all(map(_is_number, value))
        return "" if fits else f"a list of {len(default)} numbers"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
