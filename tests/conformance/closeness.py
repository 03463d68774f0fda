"""How close is equal: one tolerance for each dtype, absolute and relative."""

import torch
from torch import Tensor

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}


def assert_close(actual: Tensor, expected: Tensor) -> None:
    """Assert equal shape, dtype and values, to the tolerance of the dtype."""
    tolerance = TOLERANCE[expected.dtype]
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)
