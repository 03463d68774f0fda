"""Recurrent cells in parameter trees of Flax, Equinox and Haiku, found by the names of their parameters."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from gatelab.errors import UserError, one_line
from gatelab.exchange.cells import Cell, cell_of, hidden_size, joined
from gatelab.exchange.found import Found, chosen
from gatelab.exchange.layouts import JAX, CellLayout
from gatelab.exchange.parameter_tree import Path_, tensors_of
from gatelab.layers.rnn import RNN
from gatelab.reading import shown

__all__ = ["found_in_jax", "from_jax"]

_SIDES = ("forward_rnn", "backward_rnn")  # of flax.nnx.Bidirectional
_DEEPEST_PART = max(part.path.count("/") + 1 for layout in JAX for part in layout.parts)
_SHOWN = 6


def from_jax(parameters: Mapping[str, Any] | str | Path, layer: str | None = None) -> RNN:
    """Return the recurrent cell in a parameter tree of Flax (linen or nnx), Equinox or Haiku.

        >>> import numpy as np
        >>> draw = np.random.default_rng(0).standard_normal
        >>> parameters = {"gru": {"w_i": draw((10, 192)), "w_h": draw((64, 192)), "b": draw(192)}}  # of Haiku
        >>> rnn = gatelab.from_jax(parameters)
        >>> rnn.variant.name, rnn.input_size, rnn.hidden_size
        ('gru_v3', 10, 64)

    A cell is known by the names of its parameters; docs/exchange.md lists them. Parameters do not say everything: the
    squashing functions are taken for the defaults of the cell, and x for (time, batch, input). None of these libraries
    is needed.

    Args:
        parameters: nested mappings of arrays, such as ``flax.nnx.to_pure_dict(flax.nnx.state(model, flax.nnx.Param))``;
            or the path of a .npz or .safetensors file of them, whose names are paths with slashes, or with dots.
        layer: the place of the cell in the tree, such as ``"params/LSTMCell_0"``; None for the only one.

    Raises:
        UserError: no cell is known by these names (the message lists some), none has this name, or there are several;
            shapes that do not fit each other; a file that cannot be read as arrays.
    """
    where = shown(parameters) if isinstance(parameters, str | Path) else "parameters"
    return chosen(found_in_jax(parameters), layer, where).rnn


def found_in_jax(parameters: Mapping[str, Any] | str | Path) -> list[Found]:
    """Return every recurrent cell of a parameter tree, in its order; the arguments are those of :func:`from_jax`.

    Raises:
        UserError: as :func:`from_jax`.
    """
    where, tensors = tensors_of(parameters)
    cells = {
        place: (layout, _cell(layout, place, below, where)) for place, layout, below in _recognised(tensors, where)
    }
    if not cells:
        names = ["/".join(path) for path in tensors]
        some = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        raise UserError(f"{where}: no recurrent cell is known by these names: {one_line(some or 'none', 300)}")
    return list(_networks(cells, where))


def _recognised(tensors: Mapping[Path_, Tensor], where: str) -> Iterator[tuple[Path_, CellLayout, dict[str, Tensor]]]:
    """Yield place, layout and tensors (path below the place -> tensor) of every cell, in the order of the tree."""
    below: dict[Path_, dict[str, Tensor]] = {}
    for path, tensor in tensors.items():
        for length in range(max(0, len(path) - _DEEPEST_PART), len(path)):
            below.setdefault(path[:length], {})["/".join(path[length:])] = tensor
    for place, own in below.items():
        named = [layout for layout in JAX if _has_names(layout, place, own)]
        fitting = [layout for layout in named if hidden_size(layout, own) is not None]
        if named and not fitting:
            shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in list(own.items())[:_SHOWN])
            cells = ", ".join(layout.cell for layout in named)
            raise UserError(f"{_named(where, place)}: has the names of {cells}, but no shapes of it: {shapes}")
        if fitting:
            yield place, fitting[0], own


def _has_names(layout: CellLayout, place: Path_, own: Mapping[str, Tensor]) -> bool:
    if layout.within and not (place and place[-1].startswith(layout.within)):
        return False
    return all(part.path in own for part in layout.parts if part.is_matrix or part.needed)


def _cell(layout: CellLayout, place: Path_, below: Mapping[str, Tensor], where: str) -> Cell:
    """Return a cell; refuse other parameters beside its own, which would mean that it is another kind of cell."""
    known = {part.path for part in layout.parts}
    layers = {path.split("/")[0] for path in known}
    own = {path: tensor for path, tensor in below.items() if "/" not in path or path.split("/")[0] in layers}
    if others := [path for path in own if path not in known]:
        named = _named(where, place)
        raise UserError(f"{named}: has the names of {layout.cell}, and '{one_line(others[0])}', which that has not")
    return cell_of(layout, own, _named(where, place))


def _named(where: str, place: Path_) -> str:
    return f"{where}, {one_line('/'.join(place))}" if place else where


def _networks(cells: Mapping[Path_, tuple[CellLayout, Cell]], where: str) -> Iterator[Found]:
    """Yield the network of each cell; a forward and a backward one of flax.nnx.Bidirectional are one network."""
    for place, (layout, cell) in cells.items():
        sides = [side for side in _SIDES if side in place]
        at = len(place) - 1 - place[::-1].index(sides[-1]) if sides else 0
        pair = [(*place[:at], side, *place[at + 1 :]) for side in _SIDES]
        if not sides or not all(one in cells for one in pair):
            yield _found(place, layout, [cell], where)
        elif place == pair[0]:
            yield _found(place[:at], layout, [cells[one][1] for one in pair], where)


def _found(place: Path_, layout: CellLayout, directions: Sequence[Cell], where: str) -> Found:
    name = "/".join(place)
    assumed = "; its squashing functions are not in the parameters and are taken for the defaults"
    joint = ", forwards and backwards, outputs side by side" if len(directions) > 1 else ""
    source = f"{layout.cell}{f' at {name}' if name else ''} of {where}{joint}{assumed}"
    return Found(name, joined(directions, _named(where, place)), source)
