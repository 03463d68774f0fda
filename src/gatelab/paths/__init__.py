"""The paths that run a program over a sequence, in order of preference.

    native   compiled C: CPU, float32 and float64
    triton   generated Triton kernels: CUDA, float32, bfloat16 and float16
    scan     all steps at once in plain PyTorch, for states that are linear in themselves: any device, any dtype
    loop     step after step in plain PyTorch: any device, any dtype; the reference, which refuses nothing

Knows programs and tensors, but no weights of a layer, no task and no training. Importing it imports no tensor library.
"""

from typing import Any

from gatelab.compiler import program
from gatelab.errors import UserError, suggest
from gatelab.language import Variant
from gatelab.paths.native import Native
from gatelab.paths.path import Path, UnableError
from gatelab.paths.torch_paths import Loop, Scan
from gatelab.paths.triton import Triton

__all__ = ["PATHS", "Path", "UnableError", "able", "limits", "names", "path_named", "reference"]

PATHS: tuple[Path, ...] = (Native(), Triton(), Scan(), Loop())
"""Every path, in order of preference. The last is the reference: with it all others must agree, and it runs all."""


def names() -> tuple[str, ...]:
    """Return what ``path=`` may be."""
    return ("auto", *(path.name for path in PATHS))


def path_named(name: Any) -> Path | None:
    """Return the path of a name; None for "auto".

    Raises:
        UserError: there is none of that name.
    """
    if isinstance(name, str):
        for path in PATHS:
            if path.name == name:
                return path
        if name == "auto":
            return None
    raise UserError(f"path={name}: must be one of {', '.join(names())}{suggest(str(name), names())}")


def reference() -> Path:
    """Return the path that refuses nothing."""
    return PATHS[-1]


def limits(path: Path, variant: Variant, device: str | None = None) -> str | None:
    """Return why a path never runs a variant on a kind of device, such as "cpu" or "cuda", or None."""
    if variant.foreign is not None:
        return path.foreign_limits(device)
    return path.limits(program(variant), device)


def able(variant: Variant, device: str | None = None) -> tuple[Path, ...]:
    """Return the paths that may run a variant on a kind of device, "cpu" or "cuda", as far as tensors do not matter."""
    return tuple(path for path in PATHS if limits(path, variant, device) is None)
