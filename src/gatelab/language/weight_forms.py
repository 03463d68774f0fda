"""Forms of weight matrices: what is learned of them, and how many numbers that is.

A form is one or two arguments of ``linear`` and ``project``. What is learned are the *parts* of a weight; the matrix
itself is made of them before a sequence begins, so that every path sees plain matrices.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from gatelab.errors import UserError

__all__ = ["SQUARE", "Form", "part_shapes"]

Square = Literal["antisymmetric", "symmetric", "orthogonal"]

SQUARE: tuple[Square, ...] = get_args(Square)
"""Forms of square matrices: M − Mᵀ, M + Mᵀ, and exp(M − Mᵀ), of a learned M."""


@dataclass(frozen=True)
class Form:
    """The form of one weight matrix.

    Attributes:
        kind: ``blocks`` along the diagonal, a product of two matrices of low ``rank``, a square form, ``tied``:
            the matrix of another equation, or ``cells`` of a memory block that share their rows or columns.
        count: of blocks, the rank, or the cells that share a row (and a bias).
        other: of a tied weight, the parameter it is.
        columns: the cells that share a column: only the first of each block is read.
    """

    kind: Square | Literal["blocks", "rank", "tied", "cells"]
    count: int = 0
    other: str = ""
    columns: int = 1

    @property
    def of_bias(self) -> "Form | None":
        """The form of the bias beside the weight."""
        return Form("cells", self.count) if self.kind == "cells" and self.count > 1 else None

    def multiply_adds(self, rows: int, columns: int) -> int:
        """Return the multiplications that one product with a vector takes."""
        if self.kind == "blocks":
            return rows * columns // self.count
        if self.kind == "cells":
            return rows * columns // (self.count * self.columns)
        return self.count * (rows + columns) if self.kind == "rank" else rows * columns


def part_shapes(name: str, form: Form | None, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what is learned of a weight matrix, by parameter name.

    Args:
        name: of the weight, ``f_weight_h``.
        form: None for a plain matrix.
        rows, columns: of the matrix: the hidden size, and the length of the source; 0 columns for a bias.

    Raises:
        UserError: sizes that the form cannot have.
    """
    if form is None:
        return {name: (rows, columns) if columns else (rows,)}
    if form.kind == "cells":
        for word, cells, length in (("shared", form.count, rows), ("per_block", form.columns, columns)):
            if length % cells:
                raise UserError(f"{word}={cells}: {name} has {length} of what must be divisible by it")
        shared = (rows // form.count, columns // form.columns)
        return {name: shared if columns else shared[:1]}
    shape = f"{name} is {rows} × {columns}"
    if form.kind == "tied":
        return {}
    if form.kind == "blocks":
        if rows % form.count or columns % form.count:
            raise UserError(f"blocks={form.count}: {shape}; both must be divisible by the number of blocks")
        return {name: (form.count, rows // form.count, columns // form.count)}
    if form.kind == "rank":
        if form.count > min(rows, columns):
            raise UserError(f"rank={form.count}: {shape}; the rank must be at most the smaller of both")
        return {f"{name}_left": (rows, form.count), f"{name}_right": (form.count, columns)}
    if rows != columns:
        raise UserError(f"form={form.kind}: {shape}; it must be square")
    return {name: (rows, columns)}
