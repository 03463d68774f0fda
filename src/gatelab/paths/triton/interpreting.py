"""Whether kernels are run by Triton's interpreter."""

import os

__all__ = ["interpreted"]


def interpreted() -> bool:
    """Say whether kernels are run by Triton's interpreter, which needs no GPU: TRITON_INTERPRET=1 is set."""
    return os.environ.get("TRITON_INTERPRET") == "1"
