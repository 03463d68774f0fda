"""How a run is cut for a device, decided in one place: sequences of a tile, warps, and what fits on the chip."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch

from gatelab.compiler.adjoint import plan
from gatelab.compiler.program import Program, unstopped
from gatelab.compiler.scannable import scan_order
from gatelab.language.functions import ROW_FUNCTIONS
from gatelab.paths.call import Call

__all__ = [
    "LARGEST",
    "LARGEST_HELD",
    "Tiling",
    "held_matrices",
    "power_of_two",
    "refused_size",
    "scans",
    "tiling_of",
    "too_large",
]

LARGEST_HELD = 128
"""The largest hidden size whose weights stay on the chip, if they fit."""

LARGEST = 1024
"""The largest hidden size at which a program instance has room for whole vectors."""

_SHARED = {8: 163, 9: 227, 10: 227}
"""KiB of shared memory that a program instance can have, by the major number of the compute capability."""

_STAGING = 16  # KiB beside the weights: the left sides of products and what reductions exchange
_FEW_TILES = 2  # waves of small tiles after which larger ones do less work
_MANY_STEPS = 512  # from which on a scan may pay
_CHUNK = 64  # KiB of a matrix that a product reads at once, where it is read at every step
_MOST_MATRICES, _MOST_INSTRUCTIONS = 6, 44  # of a step, beyond which a tile has few rows
_TILE = 2048  # numbers of a vector of a tile, where weights are read at every step: four of each thread


@dataclass(frozen=True)
class Tiling:
    """How kernels are launched.

    Attributes:
        rows: sequences of a program instance.
        hidden, input: lengths of vectors on the chip, powers of two.
        products: how products of single precision are rounded, ``ieee`` or ``tf32x3``.
        warps: of a program instance.
        chunk: 0 if weights are held on the chip; else how much of the inner axis of a product is read at once.
        width: then the length of the longest of their sources, a power of two.
    """

    rows: int
    hidden: int
    input: int
    products: str
    warps: int
    chunk: int = 0
    width: int = 0

    def tiles(self, batch: int) -> int:
        """Return the number of tiles of a batch."""
        return -(-batch // self.rows)

    @property
    def options(self) -> dict[str, Any]:
        """The options of Triton's compiler. Fusing multiplications and additions moves bits, so it is said.

        Where weights are read at every step, the next stretch of them comes while one is multiplied.
        """
        return {"num_warps": self.warps, "num_stages": 2 if self.chunk else 1, "enable_fp_fusion": True}


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
    """Return why a call is too large for the kernels, or None."""
    longest = _longest(call)
    if longest > LARGEST:
        return f"its kernels have room for vectors of up to {LARGEST} numbers, not {longest}"
    return None


def too_large(call: Call) -> str | None:
    """Return why the weights of a call cannot be held on the chip, or None."""
    longest = _longest(call)
    if longest > LARGEST_HELD:
        return f"the hidden size is above {LARGEST_HELD}"
    device = call.inputs.device
    major = torch.cuda.get_device_capability(device)[0] if device.type == "cuda" else 9
    allowed = _SHARED.get(major, _SHARED[9]) - _STAGING
    # a product of three roundings needs each weight twice
    each = call.inputs.itemsize * (2 if products_of(call.inputs.dtype) == "tf32x3" else 1)
    count = held_matrices(call.program, call.record)
    needed = count * power_of_two(call.hidden_size) * power_of_two(longest) * each // 1024
    if needed > allowed:
        return f"{count} matrices at hidden size {call.hidden_size} take {needed} KiB, the chip has {allowed}"
    return None


def scans(call: Call) -> bool:
    """Return whether a call is scanned over time instead of run step by step.

    That is so where its states are linear in themselves, there are many steps, and its tiles leave most of the device
    idle. The bounds are thought, not measured.
    """
    if call.inputs.dtype != torch.float32 or call.inputs.shape[-3] < _MANY_STEPS or scan_order(call.program) is None:
        return False
    runs = call.inputs.shape[0] if call.inputs.dim() == 4 else 1
    return runs * tiling_of(call).tiles(call.inputs.shape[-2]) < _processors(call.inputs.device)


def _processors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1


def _longest(call: Call) -> int:
    return max(call.hidden_size, *(state.shape[-1] for state in call.states.values()))


def tiling_of(call: Call) -> Tiling:
    """Return how a call that is not refused is cut, and whether weights are held on the chip: decided here alone."""
    hidden, products = power_of_two(call.hidden_size), products_of(call.inputs.dtype)
    input_size = power_of_two(call.inputs.shape[-1])
    runs, batch = (call.inputs.shape[0] if call.inputs.dim() == 4 else 1), call.inputs.shape[-2]
    processors = _processors(call.inputs.device)
    # tensor cores take tiles of 16; other products take 4 as long as that keeps more of the chip at work
    small = products == "ieee" and call.inputs.dtype == torch.float32 and runs * batch <= 4 * _FEW_TILES * processors
    rows = 4 if small else 16
    if too_large(call):
        return _streaming(call, Tiling(rows, hidden, input_size, products, 16))
    # with fewer, what is held at 128 does not fit into registers while it is loaded
    warps = 4 if hidden <= 32 else 8 if hidden <= 64 else 16
    return Tiling(rows, hidden, input_size, products, warps)


@lru_cache(maxsize=256)
def _crowded(program: Program) -> bool:
    """Return whether a step has more vectors at once than registers have room for at eight rows.

    That is so of functions of whole rows, of seven matrices and of long equations, as machine code says (docs/gpu.md).
    """
    instructions = program.instructions
    rows = any(one.name in ROW_FUNCTIONS for one in instructions)
    return rows or len(instructions) > _MOST_INSTRUCTIONS or held_matrices(program) > _MOST_MATRICES


def _streaming(call: Call, tiling: Tiling) -> Tiling:
    """Return how a call is cut whose weights are read at every step.

    Reading them costs a tile as much whatever its rows. While eight rows are multiplied, about as many weights
    arrive as they need: the second cache of an A100 hands over 5120 bytes a cycle, to 108 processors (Ampere
    architecture whitepaper, 2020).
    """
    exact = tiling.products == "ieee" and call.inputs.dtype == torch.float32
    width = power_of_two(_longest(call))
    rows = max(4, min(2 * tiling.rows, 16, _TILE // width) // (2 if _crowded(call.program) else 1)) if exact else 16
    chunk = _CHUNK * 1024 // (width * call.inputs.itemsize)
    return replace(tiling, rows=rows, chunk=max(16, min(chunk, 64, width)), width=width)
