"""Recurrent layers in files of Keras 3: .keras (configuration and weights) and .weights.h5 (weights alone).

Keras's own reader makes the objects that a configuration names. Here the configuration is JSON and nothing more, and
HDF5 is read by :mod:`gatelab.reading.hdf5`, in a process of its own.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gatelab.errors import UserError, one_line
from gatelab.exchange.cells import Cell, cell_of, hidden_size, joined
from gatelab.exchange.found import Found, chosen
from gatelab.exchange.keras_config import Settings, layers_in, settings_of, with_activations
from gatelab.exchange.layouts import KERAS
from gatelab.layers.rnn import RNN
from gatelab.reading import Limits, parse_json, read_bytes, shown
from gatelab.reading.hdf5 import read_hdf5
from gatelab.reading.limits import MOST_UNPACKED

__all__ = ["found_in_keras", "from_keras"]

_MOST_BYTES = 2**31
_CONFIG = Limits(size=2**25, depth=100, values=2_000_000)
_MEMBERS = {"metadata.json": 2**20, "config.json": _CONFIG.size, "model.weights.h5": _MOST_BYTES}
_VARIABLE = r"(.*/)?(cell|cells/[^/]+)/vars/[012]"

Layers = Mapping[str, list[Mapping[str, Any]]]


def from_keras(file: str | Path, layer: str | None = None) -> RNN:
    """Return a recurrent layer in a file of Keras 3.

        >>> gatelab.from_keras("model.txt", layer="encoder")
        Traceback (most recent call last):
        gatelab.errors.UserError: model.txt: must end with .keras or .weights.h5

    It reads LSTM, GRU (both forms of the reset gate), SimpleRNN, RNN of their cells, and Bidirectional around them,
    with or without biases, with the activations that equations here have. The RNN takes (batch, time, features) as
    Keras does. It needs ``pip install 'gatelab[keras]'`` (h5py), not Keras. No object that the file names is made.

    Args:
        file: a .keras file, or a .weights.h5 file. The latter has no activations: tanh and sigmoid are assumed.
        layer: the name of the layer, such as ``"encoder"``; None for the only one.

    Raises:
        UserError: a file that cannot be read or is too large; no recurrent layer in it, none of this name, or several;
            a class, an activation or a mode that has no equations here.
    """
    return chosen(found_in_keras(file), layer, shown(file)).rnn


def found_in_keras(file: str | Path) -> list[Found]:
    """Return every recurrent layer of a file of Keras; see :func:`from_keras`.

    Raises:
        UserError: as :func:`from_keras`.
    """
    where, ending = shown(file), Path(file).name
    if not ending.endswith((".keras", ".weights.h5")):
        old = "; a model in a .h5 file is of Keras 2: save it again with Keras 3" if ending.endswith(".h5") else ""
        raise UserError(f"{where}: must end with .keras or .weights.h5{old}")
    content = read_bytes(file, limits=Limits(size=_MOST_BYTES))
    layers = None
    if ending.endswith(".keras"):
        about, config, content = _unpacked(content, where)
        _check_version(parse_json(about, f"{where}, metadata.json"), where)
        layers = layers_in(parse_json(config, f"{where}, config.json", limits=_CONFIG))
    stored = _stored(content, where)
    cells = [one for one in stored if any(hidden_size(layout, one.tensors) for layout in KERAS.values())]
    if not cells:
        names = ", ".join(sorted({one.layer for one in stored})[:6]) or "none"
        raise UserError(f"{where}: no recurrent layer that is read here; layers with a cell: {one_line(names, 300)}")
    return list(_networks(cells, layers, where))


def _check_version(about: Any, where: str) -> None:
    """Refuse files of Keras 2, whose hard_sigmoid is another function."""
    version = about.get("keras_version") if isinstance(about, dict) else None
    if not isinstance(version, str) or not version.split(".")[0].isdecimal() or int(version.split(".")[0]) < 3:
        raise UserError(f"{where}: written by Keras {one_line(version)}: must be 3 or newer; save it with Keras 3")


def _unpacked(content: bytes, where: str) -> tuple[bytes, bytes, bytes]:
    """Return metadata, configuration and weights of a .keras file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return tuple(  # type: ignore[return-value]
                _member(packed, name, limit, where) for name, limit in _MEMBERS.items()
            )
    except KeyError as error:
        raise UserError(f"{where}: not a .keras file: {one_line(error, 120)}") from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise UserError(f"{where}: not a .keras file: {one_line(error, 120)}") from None


def _member(packed: zipfile.ZipFile, name: str, limit: int, where: str) -> bytes:
    member = packed.getinfo(name)
    if member.file_size > min(limit, max(2**20, MOST_UNPACKED * member.compress_size)):
        raise UserError(f"{where}: {name} unpacks to {member.file_size} bytes; at most {limit}")
    with packed.open(member) as file:
        return file.read(limit)


@dataclass(frozen=True)
class _StoredCell:
    """The weights of a cell in a file, and the layers around it."""

    path: str
    layer: str
    cell: str
    around: str
    side: str
    tensors: Mapping[str, Tensor]


def _stored(content: bytes, where: str) -> list[_StoredCell]:
    """Return the cells of a file: groups ``cell``, or below ``cells``, with variables that have numbers."""
    names, arrays = read_hdf5(content, where, _VARIABLE)
    variables: dict[str, dict[str, Tensor]] = {}
    for path, array in arrays.items():
        place, _, number = path.rpartition("/vars/")
        variables.setdefault(place, {})[number] = torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
    for tensors in variables.values():
        if "2" in tensors and tensors["2"].dim() == 2:  # input and recurrent bias
            tensors |= {f"2/{row}": bias for row, bias in enumerate(tensors.pop("2"))}
    return [_cell_at(place, names, tensors) for place, tensors in variables.items()]


def _cell_at(path: str, names: Mapping[str, str], tensors: dict[str, Tensor]) -> _StoredCell:
    """Return a cell; its layer is above it, or above the ``cell`` and ``cells`` of a stack of cells."""
    groups = path.split("/")
    stacked = groups[-1] != "cell"
    at = len(groups) - (3 if stacked else 1)

    def name(count: int) -> str:  # that the model gave; that of the group in files without it
        return names.get("/".join(groups[:count]), groups[count - 1] if count > 0 else "")

    side = groups[at - 1] if at > 0 and groups[at - 1] in ("forward_layer", "backward_layer") else ""
    layer = name(at) + (f"/{name(len(groups))}" if stacked else "")
    return _StoredCell(path, layer, name(len(groups)), name(at - 1) if side else "", side, tensors)


def _networks(cells: list[_StoredCell], layers: Layers | None, where: str) -> Iterator[Found]:
    """Yield the network of each layer; the two of a Bidirectional are one."""
    for one in cells:
        if not one.side:
            cell, settings = _cell(one, layers, where)
            if settings.backwards:
                raise UserError(
                    f"{where}, layer {one_line(one.layer)}: go_backwards=true: no RNN here reads from the end alone; "
                    "set it to false, and flip the time axis of the inputs"
                )
            yield _found(one.layer, [cell], settings, layers, where)
        elif one.side == "forward_layer":
            above = one.path.rsplit("/", 2)[0]
            other = next((each for each in cells if each.path == f"{above}/backward_layer/cell"), None)
            if other is None:
                raise UserError(f"{where}, layer {one_line(one.around)}: has no backward layer")
            _check_merging(one.around, layers, where)
            pair = [_cell(each, layers, where) for each in (one, other)]
            yield _found(one.around, [cell for cell, _ in pair], pair[0][1], layers, where)


def _check_merging(name: str, layers: Layers | None, where: str) -> None:
    for layer in [] if layers is None else layers.get(name, []):
        mode, forward = layer["config"].get("merge_mode", "concat"), layer["config"].get("layer")
        if mode != "concat":
            raise UserError(f"{where}, layer {one_line(name)}: merge_mode={one_line(mode)}: must be concat")
        if isinstance(forward, Mapping) and dict(forward.get("config") or {}).get("go_backwards") is True:
            raise UserError(f"{where}, layer {one_line(name)}: its forward layer has go_backwards=true")


def _cell(stored: _StoredCell, layers: Layers | None, where: str) -> tuple[Cell, Settings]:
    named = f"{where}, layer {one_line(stored.around or stored.layer)}"
    settings = _assumed(stored.tensors) if layers is None else _settings(stored, layers, named)
    before = settings.kind == "GRU" and not settings.reset_after
    layout = KERAS["GRU reset before" if before else settings.kind]
    known = {part.path for part in layout.parts}
    if hidden_size(layout, stored.tensors) is None or not set(stored.tensors) <= known:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in stored.tensors.items())
        raise UserError(f"{named}: variables {shapes} are not those of {layout.cell}")
    return cell_of(layout, stored.tensors, named, with_activations(layout.equations(), settings)), settings


def _assumed(tensors: Mapping[str, Tensor]) -> Settings:
    """Return settings that fit the shapes of a cell; with a single bias the reset gate acts before the product."""
    kind = next(name for name, layout in KERAS.items() if hidden_size(layout, tensors) is not None)
    return Settings(kind, reset_after="2" not in tensors)


def _settings(stored: _StoredCell, layers: Layers, named: str) -> Settings:
    """Return what the configuration says of a cell; a backward layer that it leaves out is like the forward one."""
    if stored.side:
        outer = layers.get(stored.around, [])
        key = "layer" if stored.side == "forward_layer" else "backward_layer"
        found = [one["config"].get(key) or one["config"].get("layer") for one in outer]
    else:
        found = list(layers.get(stored.layer.split("/")[0], []))
    settings = {settings_of(one, stored.cell, named) for one in found if isinstance(one, Mapping) and "config" in one}
    if len(settings) != 1:
        state = "has several layers of this name" if settings else "does not have this layer"
        raise UserError(f"{named}: config.json {state}: the file cannot say what its weights compute")
    return settings.pop()


def _found(name: str, directions: list[Cell], settings: Settings, layers: Layers | None, where: str) -> Found:
    assumed = "" if layers is not None else "; its activations are not in the file and are taken for the defaults"
    if layers is None and settings.kind == "GRU" and not directions[0].variant.name.startswith("gru_v3"):
        assumed += ", as is reset_after where there are no biases"
    if layers is None and len(directions) > 1:
        assumed += ", as is the merge mode"
    joint = "Bidirectional " if len(directions) > 1 else ""
    rnn = joined(directions, f"{where}, layer {one_line(name)}", batch_first=True)
    return Found(name, rnn, f"Keras {joint}{settings.kind}, layer {one_line(name)} of {where}{assumed}")
