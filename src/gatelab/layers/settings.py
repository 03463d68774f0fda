"""Arguments of a layer or a network: each value is checked and converted to the expected Python type.

Equal numbers are the same key of a cache, whatever their type: numpy's 4 must become Python's.
"""

from operator import index
from typing import Any

import numpy as np
import torch

from gatelab.errors import UserError
from gatelab.paths.tensors import DTYPES

__all__ = ["check_dtype", "check_generator", "switch", "whole"]

_LARGEST = 2**31 - 1


def whole(name: str, value: Any) -> int:
    """Return a size or a count, from 1, as Python's int.

    Raises:
        UserError: it is no whole number, or too small or large.
    """
    try:
        number = None if isinstance(value, bool | np.bool_) else index(value)
    except TypeError:
        number = None
    if number is None:
        raise UserError(f"{name}={value!r}: must be a whole number, at least 1")
    if not 1 <= number <= _LARGEST:
        raise UserError(f"{name}={number}: must be at least 1" + (f" and at most {_LARGEST}" if number > 0 else ""))
    return number


def switch(name: str, value: Any) -> bool:
    """Return whether something is on.

    Raises:
        UserError: it is neither True nor False.
    """
    if not isinstance(value, bool | np.bool_ | int) or value not in (0, 1):
        raise UserError(f"{name}={value!r}: must be True or False")
    return bool(value)


def check_dtype(dtype: Any, device: Any) -> None:
    """Refuse a dtype that weights cannot have, and a device on which no tensor can be made.

    Raises:
        UserError: naming it and what it may be.
    """
    if dtype is not None and dtype is not float and not any(dtype is known for known in DTYPES):
        raise UserError(f"dtype={dtype!r}: must be one of {', '.join(map(str, DTYPES))}")
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError, TypeError) as error:
        raise UserError(f"device={device!r}: cannot be used here: {error}") from error


def check_generator(generator: Any) -> None:
    """Refuse anything but a generator of PyTorch.

    Raises:
        UserError: naming its type.
    """
    if generator is not None and not isinstance(generator, torch.Generator):
        raise UserError(f"generator is a {type(generator).__name__}: must be a torch.Generator")
