"""A cell of another library as a layer of ours: blocks cut out, turned, signed and named; cells joined to an RNN."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gatelab.errors import UserError, one_line
from gatelab.exchange.layouts import CellLayout, Part
from gatelab.language import Variant
from gatelab.language.biases import without_biases
from gatelab.layers.gate_files.content import Content, RNNFacts
from gatelab.layers.rnn import RNN
from gatelab.paths.tensors import DTYPES
from gatelab.validation import check

__all__ = ["Cell", "cell_of", "hidden_size", "joined"]


@dataclass(frozen=True)
class Cell:
    """One layer in one direction: its equations, sizes and weights by our names."""

    variant: Variant
    input_size: int
    hidden_size: int
    weights: Mapping[str, Tensor]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of all weights."""
        return next(iter(self.weights.values())).dtype


def hidden_size(layout: CellLayout, tensors: Mapping[str, Tensor]) -> int | None:
    """Return the units of a cell whose tensors have the shapes of a layout; None if they have not."""
    for part in layout.parts:
        shape = tuple(tensors[part.path].shape) if part.path in tensors else ()
        if part.role in ("h", "xh") and len(shape) == 2:
            read, units = (shape[1], shape[0]) if layout.by_rows else shape
            hidden, rest = divmod(units, len(part.gates))
            fits = read == hidden if part.role == "h" else read > hidden
            return hidden if hidden and not rest and fits else None
    return None


def cell_of(layout: CellLayout, tensors: Mapping[str, Tensor], named: str, variant: Variant | None = None) -> Cell:
    """Return the cell that tensors make, by their paths below it.

    Args:
        layout: which fits them, as :func:`hidden_size` says.
        tensors: path -> tensor.
        named: the cell in errors.
        variant: equations, where a configuration changes those of the layout.

    Raises:
        UserError: a tensor is missing, has another shape, or is not of the one dtype of all, a floating one.
    """
    hidden = hidden_size(layout, tensors)
    assert hidden is not None
    if missing := [part.path for part in layout.parts if part.is_matrix and part.path not in tensors]:
        raise UserError(f"{named}: has no {missing[0]}, which {layout.cell} has")
    _check_dtypes(tensors, named)
    variant = variant or layout.equations()
    blocks: dict[tuple[str, str], Tensor] = {}
    features = _features(layout, tensors, hidden)
    for part in layout.parts:
        if part.path in tensors:
            _check_shape(layout, part, tensors[part.path], features, hidden, named)
            blocks |= _blocks(layout, part, tensors[part.path], features)
    biased = any(role in ("bias", "second") for _, role in blocks)
    variant = variant if biased else without_biases(variant)
    return Cell(variant, features, hidden, _named(layout, variant, blocks, hidden))


def _features(layout: CellLayout, tensors: Mapping[str, Tensor], hidden: int) -> int:
    """Return the input size that the first matrix has."""
    part = next(part for part in layout.parts if part.role in ("x", "xh"))
    read = tensors[part.path].shape[-1 if layout.by_rows else 0]
    return int(read) - (hidden if part.role == "xh" else 0)


def _check_dtypes(tensors: Mapping[str, Tensor], named: str) -> None:
    dtypes = {tensor.dtype for tensor in tensors.values()}
    if len(dtypes) > 1 or not dtypes <= set(DTYPES):
        found, known = ", ".join(sorted(map(str, dtypes))), ", ".join(map(str, DTYPES))
        raise UserError(f"{named}: weights of {found}: must be of one of {known}, all alike")


def _check_shape(layout: CellLayout, part: Part, tensor: Tensor, features: int, hidden: int, named: str) -> None:
    units = hidden * len(part.gates)
    wanted: tuple[int, ...] = (units,)
    if part.is_matrix:
        read = {"x": features, "h": hidden, "xh": features + hidden}[part.role]
        wanted = (units, read) if layout.by_rows else (read, units)
    if tuple(tensor.shape) != wanted:
        raise UserError(f"{named}: {one_line(part.path)} of shape {tuple(tensor.shape)}: must be {wanted}")


def _blocks(layout: CellLayout, part: Part, tensor: Tensor, features: int) -> dict[tuple[str, str], Tensor]:
    """Return (gate, role) -> its block; of a matrix (hidden, source)."""
    turned = tensor if layout.by_rows or not part.is_matrix else tensor.mT
    found: dict[tuple[str, str], Tensor] = {}
    for gate, block in zip(part.gates, turned.chunk(len(part.gates), 0), strict=True):
        if part.role == "xh":
            found |= {(gate, "x"): block[:, :features], (gate, "h"): block[:, features:]}
        else:
            found[gate, part.role] = block
    return found


def _named(
    layout: CellLayout, variant: Variant, blocks: Mapping[tuple[str, str], Tensor], hidden: int
) -> dict[str, Tensor]:
    """Return our names -> weights."""
    weights: dict[str, Tensor] = {}
    some = next(iter(blocks.values()))
    for gate in dict.fromkeys(parameter.equation for parameter in variant.parameters):
        own = [parameter for parameter in variant.parameters if parameter.equation == gate]
        biases = [parameter.name for parameter in own if parameter.kind == "bias"]
        sign = -1 if gate in layout.negated else 1
        for parameter in own:
            if parameter.kind == "weight":
                weights[parameter.name] = sign * blocks[gate, "x" if parameter.source == "x" else "h"]
        first, second = (blocks.get((gate, role), some.new_zeros(hidden)) for role in ("bias", "second"))
        first = first + layout.added.get(gate, 0.0)
        if len(biases) == 1:
            weights[biases[0]] = sign * (first + second)
        elif biases:
            weights |= {biases[0]: sign * first, biases[1]: sign * second}
    return {name: weight.contiguous().clone() for name, weight in weights.items()}


def joined(directions: Sequence[Cell], named: str, *, batch_first: bool = False) -> RNN:
    """Return the RNN of a cell, or of a forward and a backward one, in evaluation mode.

    Raises:
        UserError: the two have other equations, sizes or dtypes; sizes beyond what a file may ask for.
    """
    first = directions[0]
    for one in directions[1:]:
        if (one.variant, one.input_size, one.hidden_size, one.dtype) != (
            first.variant,
            first.input_size,
            first.hidden_size,
            first.dtype,
        ):
            raise UserError(f"{named}: its two directions have other equations, sizes or dtypes, which no RNN here has")
    facts = {
        "input_size": first.input_size,
        "hidden_size": first.hidden_size,
        "num_layers": 1,
        "bias": any(parameter.kind == "bias" for parameter in first.variant.parameters),
        "batch_first": batch_first,
        "dropout": 0.0,
        "bidirectional": len(directions) == 2,
        "recompute": None,
        "opening": None,
    }
    tensors = {
        f"layers.{index}.{name}": weight
        for index, cell in enumerate(directions)
        for name, weight in cell.weights.items()
    }
    return RNN.from_content(Content(first.variant, check(RNNFacts, facts, named), tensors=tensors))
