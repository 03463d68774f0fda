"""Which GPUs there are, without torch: the launcher hands its share to each worker."""

import os
import shutil
import subprocess
from collections.abc import Sequence

__all__ = ["together", "visible_gpus"]

VARIABLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return tuple(name.strip() for name in named.split(",") if name.strip() not in ("", "-1"))
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        listed = subprocess.run([program, "--list-gpus"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(str(position) for position, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU "))


def together(gpus: Sequence[str], size: int) -> tuple[str, ...]:
    """Return the GPUs in groups of a size, each as CUDA_VISIBLE_DEVICES names it; what is left over is in none."""
    return tuple(",".join(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size))
