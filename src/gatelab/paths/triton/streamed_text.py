"""Kernels whose weights do not fit on the chip: every product reads them anew, a stretch of its inner axis at a time.

A stretch of the left side cannot be cut from registers, so the left side goes through memory that belongs to the
program instance alone, and comes back a stretch at a time; it stays in the cache of the processor:

    scratch (runs, tiles, sources, rows, width)   left sides of products, in the weights' dtype
"""

from functools import cached_property

from gatelab.language.sizes import Length
from gatelab.paths.triton.block_lines import columns_of, count_of, width_of
from gatelab.paths.triton.kernel_places import BARRIER, CONSTANTS
from gatelab.paths.triton.kernel_text import KernelText

__all__ = ["StreamedText"]


class StreamedText(KernelText):
    """Writes the kernels of a plan, weights read at every step.

    Attributes:
        sources: left sides that an instance has memory for.
    """

    constants = (*CONSTANTS, "CHUNK", "WIDTH")
    memory = ("scratch",)

    @cached_property
    def sources(self) -> int:
        """Forwards the sources of products, backwards the deltas of maps."""
        return max(1, len(self.plan.stages.sources), len(self.maps))

    def before_steps(self, weight: str, size: Length, *, transposed: bool) -> list[str]:
        """Nothing is held."""
        return []

    def _step_forward(self) -> list[str]:
        self._staged: dict[str, int] = {}
        return super()._step_forward()

    def _step_backward(self) -> list[str]:
        self._staged = {}
        return super()._step_backward()

    def multiplied(self, value: str, size: Length, weight: str, *, transposed: bool) -> tuple[list[str], str]:
        """Return statements that add up a product, and its name."""
        lines = []
        left: Length = size if transposed else "hidden"
        if value not in self._staged:
            self._staged[value] = len(self._staged)
            lines = self._stage(value, left, self._staged[value])
        number, count, inner = self.weights[weight], count_of(size), count_of(left)
        # the matrix lies as (hidden, source)
        if transposed:
            width, where, inside = "HP", f"columns_H * {count} + k_rows", "columns_H < H"
        else:
            columns = columns_of(size)
            width, where, inside = width_of(size), f"k_rows * {count} + {columns}", f"{columns} < {count}"
        at = self._address(self._staged[value])
        name = f"y{number}"
        mask = f"(k_rows < {inner}) & ({inside})"
        return [
            *lines,
            f"{name} = tl.zeros([ROWS, {width}], tl.float32)",
            f"for k in range(0, {inner}, CHUNK):",
            "    k_rows = k + tl.arange(0, CHUNK)[:, None]",
            "    k_columns = k + tl.arange(0, CHUNK)[None, :]",
            f"    left = tl.load({at} + k_columns, mask=k_columns < {inner}, other=0.0)",
            f"    right = tl.load(weight_{number} + run * H * {count} + {where}, mask={mask}, other=0.0)",
            f"    {name} = tl.dot(left, right, {name}, input_precision=PRODUCTS)",
        ], name

    def _stage(self, value: str, size: Length, region: int) -> list[str]:
        """Write a left side to memory. All threads have read what stood there, and read it only when it is whole."""
        width = width_of(size)
        row = f"tl.broadcast_to({value}, [ROWS, {width}])"
        return [
            BARRIER,
            f"tl.store({self._address(region)} + {columns_of(size)}, {row}.to(scratch.dtype.element_ty))",
            BARRIER,
        ]

    def _address(self, region: int) -> str:
        tile = f"((run * tl.num_programs(0) + tl.program_id(0)) * {self.sources} + {region})"
        return f"scratch + {tile} * ROWS * WIDTH + tl.arange(0, ROWS)[:, None] * WIDTH"
