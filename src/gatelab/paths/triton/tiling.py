"""How a run is cut for a device, decided in one place: sequences of a tile, warps, and what fits on the chip."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from gatelab.compiler.adjoint import plan
from gatelab.compiler.program import Program, unstopped
from gatelab.paths.call import Call

__all__ = ["LARGEST", "Tiling", "held_matrices", "power_of_two", "refused_size", "tiling_of"]

LARGEST = 128
"""The largest hidden size whose vectors and weights stay on the chip."""

_SHARED = {8: 163, 9: 227, 10: 227}
"""KiB of shared memory that a program instance can have, by the major number of the compute capability."""

_STAGING = 16  # KiB beside the weights: the left sides of products and what reductions exchange
_FEW_TILES = 2  # waves of small tiles after which larger ones do less work


@dataclass(frozen=True)
class Tiling:
    """How kernels are launched.

    Attributes:
        rows: sequences of a program instance.
        hidden, input: lengths of vectors on the chip, powers of two.
        products: how products of single precision are rounded, ``ieee`` or ``tf32x3``.
        warps: of a program instance.
    """

    rows: int
    hidden: int
    input: int
    products: str
    warps: int

    def tiles(self, batch: int) -> int:
        """Return the number of tiles of a batch."""
        return -(-batch // self.rows)

    @property
    def options(self) -> dict[str, Any]:
        """The options of Triton's compiler. Fusing multiplications and additions moves bits, so it is said."""
        return {"num_warps": self.warps, "num_stages": 1, "enable_fp_fusion": True}


def power_of_two(size: int) -> int:
    """Return the smallest power of two that holds a vector and that a product takes, 16 at least."""
    return max(16, 1 << (size - 1).bit_length())


@lru_cache(maxsize=256)
def held_matrices(program: Program, record: tuple[str, ...] = ()) -> int:
    """Return how many weight matrices a kernel holds: all but those of x_t, whose products are made beforehand."""
    instructions = program.instructions
    maps = plan(program, record).stages.maps
    sources = [instructions[unstopped(instructions, source)] for one in maps for source in one.sources]
    return sum(source.kind != "input" for source in sources)


def products_of(dtype: torch.dtype) -> str:
    """Return how products are rounded: exactly, unless torch.set_float32_matmul_precision allows less."""
    exact = dtype != torch.float32 or torch.get_float32_matmul_precision() == "highest"
    return "ieee" if exact else "tf32x3"


def refused_size(call: Call) -> str | None:
    """Return why a call is too large for the chip, or None."""
    hidden = max(call.hidden_size, *(state.shape[-1] for state in call.states.values()))
    if hidden > LARGEST:
        return f"it keeps weights on the chip up to a hidden size of {LARGEST}, not {hidden}"
    device = call.inputs.device
    major = torch.cuda.get_device_capability(device)[0] if device.type == "cuda" else 9
    allowed = _SHARED.get(major, _SHARED[9]) - _STAGING
    # a product of three roundings needs each weight twice
    each = call.inputs.itemsize * (2 if products_of(call.inputs.dtype) == "tf32x3" else 1)
    count = held_matrices(call.program, call.record)
    needed = count * power_of_two(call.hidden_size) * power_of_two(hidden) * each // 1024
    if needed > allowed:
        return (
            f"{count} matrices of weights at hidden size {call.hidden_size} take {needed} KiB, the chip has {allowed}"
        )
    return None


def tiling_of(call: Call) -> Tiling:
    """Return how a call that fits is cut."""
    hidden, products = power_of_two(call.hidden_size), products_of(call.inputs.dtype)
    input_size = power_of_two(call.inputs.shape[-1])
    runs, batch = (call.inputs.shape[0] if call.inputs.dim() == 4 else 1), call.inputs.shape[-2]
    device = call.inputs.device
    processors = torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
    # tensor cores take tiles of 16; other products take 4 as long as that keeps more of the chip at work
    small = products == "ieee" and call.inputs.dtype == torch.float32 and runs * batch <= 4 * _FEW_TILES * processors
    rows = 4 if small else 16
    warps = 4 if hidden <= 32 else 8 if hidden <= 64 or small else 16
    return Tiling(rows, hidden, input_size, products, warps)
