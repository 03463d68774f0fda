"""Builds structured weight matrices from their learned factors, once per sequence."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from gatelab.language import Variant
from gatelab.language.parsing import LearnedTensor
from gatelab.language.sizes import Lengths

__all__ = ["start_bound", "whole_shapes", "whole_weights"]


def whole_weights(variant: Variant, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return parameter name -> tensor, every weight as a full matrix: (hidden, source).

    Args:
        variant: of the parameters.
        parts: the learned factors, by the names of :func:`gatelab.compiler.parameter_shapes`; perhaps with a leading
            run axis. A run's matrices do not depend on the other runs.
    """
    whole: dict[str, Tensor] = {}
    for parameter in variant.parameters:
        whole[parameter.name] = _whole(parameter, parts, whole)
    return whole


def whole_shapes(variant: Variant, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
    """Return parameter name -> shape of the matrices of :func:`whole_weights`."""
    lengths = Lengths(input_size, hidden_size)
    sources = {parameter.name: lengths.of(variant.size(source)) for parameter, source in variant.weights()}
    shapes: dict[str, tuple[int, ...]] = {}
    for parameter in variant.parameters:
        match parameter.kind:
            case "weight":
                shapes[parameter.name] = (hidden_size, sources[parameter.name])
            case "diagonal":
                shapes[parameter.name] = (sources[parameter.name],)
            case "scalar":
                shapes[parameter.name] = ()
            case _:
                shapes[parameter.name] = (hidden_size,)
    return shapes


def start_bound(parameter: LearnedTensor, hidden_size: int) -> float:
    """Return b, where the learned factors of a weight start uniform in ±b.

    It is 1/√hidden as in ``torch.nn.LSTM``; of the two factors of a low-rank matrix such that the entries of their
    product have the variance of a plain matrix's.
    """
    bound = 1 / math.sqrt(hidden_size)
    if parameter.form is not None and parameter.form.kind == "rank":
        return math.sqrt(math.sqrt(3 / parameter.form.count) * bound)
    return bound


def _whole(parameter: LearnedTensor, parts: Mapping[str, Tensor], whole: Mapping[str, Tensor]) -> Tensor:
    if parameter.form is None:
        return parts[parameter.name]
    match parameter.form.kind:
        case "tied":
            return whole[parameter.form.other]
        case "cells":
            return _of_cells(parts[parameter.name], parameter.form.count, parameter.form.columns, parameter.kind)
        case "blocks":
            return _block_diagonal(parts[parameter.name])
        case "rank":
            left, right = (parts[name] for name in parameter.parts)
            # one run at a time: the rounding of a batched product depends on the size of the batch
            return _stacked([one @ other for one, other in zip(_runs(left), _runs(right), strict=True)], left)
        case "symmetric":
            return parts[parameter.name] + parts[parameter.name].mT
    learned = parts[parameter.name]
    difference = learned - learned.mT
    if parameter.form.kind == "antisymmetric":
        return difference
    return _stacked([torch.matrix_exp(one) for one in _runs(difference)], difference)


def _block_diagonal(blocks: Tensor) -> Tensor:
    """Return (…, rows, columns) of (…, blocks, rows of one, columns of one)."""
    count = blocks.shape[-3]
    places = torch.eye(count, dtype=blocks.dtype, device=blocks.device)[:, None, :, None]
    return (blocks.unsqueeze(-2) * places).flatten(-4, -3).flatten(-2, -1)


def _of_cells(learned: Tensor, rows: int, columns: int, kind: str) -> Tensor:
    """Return (…, hidden, source) of one row for each block of cells, or one column; (…, hidden) of a bias."""
    if columns > 1:  # what the other cells of a block would add is the same value again
        learned = functional.pad(learned.unsqueeze(-1), (0, columns - 1)).flatten(-2)
    if rows == 1:
        return learned
    # a bias is a matrix of one column here
    tall = learned.unsqueeze(-1) if kind == "bias" else learned
    tall = tall.unsqueeze(-2).expand(*tall.shape[:-1], rows, tall.shape[-1]).flatten(-3, -2)
    return tall.squeeze(-1) if kind == "bias" else tall


def _runs(matrices: Tensor) -> tuple[Tensor, ...]:
    return matrices.unbind() if matrices.dim() == 3 else (matrices,)


def _stacked(matrices: list[Tensor], like: Tensor) -> Tensor:
    return torch.stack(matrices) if like.dim() == 3 else matrices[0]
