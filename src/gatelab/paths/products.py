"""Matrix products whose rounding does not depend on how many runs there are."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["product"]


def product(rows: Tensor, matrix: Tensor, addend: Tensor | None = None) -> Tensor:
    """Return rows @ matrix + addend.

    The batched product of several runs is not that of each alone where it has a single column: then other code adds up.
    In the backward pass the columns are the features of a row. So where either is 1, a column of zeros goes along.

    Args:
        rows: (rows, features), perhaps with a leading run axis; then matrix and addend have it too.
        matrix: (features, columns).
        addend: (rows, columns) or (1, columns).
    """
    if rows.dim() == 2:
        return rows @ matrix if addend is None else torch.addmm(addend, rows, matrix)
    features, columns = matrix.shape[-2:]
    if features == 1:
        rows, matrix = functional.pad(rows, (0, 1)), functional.pad(matrix, (0, 0, 0, 1))
    if columns == 1:
        matrix = functional.pad(matrix, (0, 1))
        addend = None if addend is None else functional.pad(addend, (0, 1))
    result = rows @ matrix if addend is None else torch.baddbmm(addend, rows, matrix)
    return result[..., :1] if columns == 1 else result
