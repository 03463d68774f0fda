"""gatelab.to_onnx: any RNN, network or run as a file that other engines run."""

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import torch

from gatelab.disk import write_atomically, writing
from gatelab.errors import UserError, one_line, suggest
from gatelab.layers.network import Network
from gatelab.layers.rnn import RNN
from gatelab.layers.settings import switch, whole
from gatelab.paths import reference

__all__ = ["Engine", "HasNetwork", "to_onnx"]

Engine = Literal["onnxruntime", "openvino", "any"]

_OPSETS = (7, 24)
"""The oldest has LSTM, GRU and RNN as they are today; the newest is one that ONNX Runtime runs."""
_DTYPES = {"float32": torch.float32, "float64": torch.float64}
_MOST_BYTES = 2**31 - 2**20  # a file of ONNX is below 2 GB


@runtime_checkable
class HasNetwork(Protocol):
    """A run."""

    def network(self) -> Network:
        """Return its network."""


def to_onnx(
    model: RNN | Network | HasNetwork,
    path: str | Path,
    *,
    engine: Engine = "onnxruntime",
    opset: int = 18,
    dtype: Literal["float32", "float64"] | torch.dtype | None = None,
    lengths: bool = False,
    states: bool | None = None,
) -> None:
    """Write an RNN, a network or a run's network to an ONNX file, which other engines run without gatelab.

        >>> rnn = gatelab.RNN("peephole", 10, 64, num_layers=2)
        >>> gatelab.to_onnx(rnn, "peephole.onnx")

    Every variant can leave. Where its equations are an LSTM, GRU or RNN of ONNX, the file has that node; other
    equations become a Scan. Steps and sequences may have any number. Before there is a file, ONNX Runtime runs it at
    two lengths and two batch sizes, and its numbers are compared with those of the RNN. Equations, sizes and gatelab's
    version are in the file's metadata.

    Inputs of the file are ``input``, in the form of a call, then ``lengths`` and ``initial_h`` (for each state, in the
    form of the returned state) where asked; outputs are ``output`` and ``final_h``. A state of several lengths has
    ``initial_h.0`` and so on, one for each layer and direction, (batch, size). Dropout is left out, as in evaluation.

    Args:
        model: what leaves.
        path: of the file, which is replaced. It ends with ``.onnx``.
        engine: "onnxruntime"; "openvino", which drops peepholes without a word, so that these leave as a Scan; or
            "any", nodes that every known engine runs as they are.
        opset: version of ONNX's operators, 7 to 24. A file of nodes can have 7, with lengths and states 9, a network
            with lengths 11; a Scan 9, in both directions 10, with lengths or functions of a row 11.
        dtype: of the file's numbers, float32 or float64 (always a Scan); None for that of the weights.
        lengths: whether the file takes the valid steps of each sequence, int64. Outputs behind the end are zero, and
            final states those after the last valid step.
        states: whether the file takes states and returns them; None: of an RNN, not of a network.

    Raises:
        UserError: onnx or onnxruntime is not installed; an unknown engine or dtype; an opset that is unknown or too
            old for this model; the path cannot be written; the numbers of ONNX Runtime differ by more than 1e-5 (of
            values above 1: relative to the greatest).
    """
    path = _checked_path(path)
    if engine not in get_args(Engine):
        allowed = ", ".join(get_args(Engine))
        raise UserError(f"engine={one_line(engine)}: must be one of {allowed}{suggest(str(engine), get_args(Engine))}")
    first, last = _OPSETS
    if not first <= whole("opset", opset) <= last:
        raise UserError(f"opset={opset}: must be from {first} to {last}")
    lengths = switch("lengths", lengths)
    module = _module(model, dtype)
    variant = (module.rnn if isinstance(module, Network) else module).variant
    if variant.beside:
        raise UserError(
            f"to_onnx: variant '{variant.name}' reads {' and '.join(variant.beside)} beside x, which no file has yet"
        )
    states = isinstance(module, RNN) if states is None else switch("states", states)
    for package in ("onnx", "onnxruntime"):
        if find_spec(package) is None:
            raise UserError(f"to_onnx: needs {package}: pip install 'gatelab[onnx]'")
    from gatelab.exchange.onnx_out.compared import check_model
    from gatelab.exchange.onnx_out.whole_model import Wanted, written_model

    data = written_model(module, Wanted(engine, opset, lengths, states)).SerializeToString(deterministic=True)
    check_model(module, data, path)
    with writing(path):
        write_atomically(path, data)


def _checked_path(path: Any) -> Path:
    if not isinstance(path, str | Path):
        raise UserError(f"path is a {type(path).__name__}: must be the path of a file that ends with .onnx")
    path = Path(path)
    if path.suffix != ".onnx":
        raise UserError(f"{one_line(path)}: must end with .onnx")
    if path.is_dir():
        raise UserError(f"{one_line(path)}: is a folder; must be a file")
    if not path.parent.is_dir():
        raise UserError(f"{one_line(path)}: there is no folder {one_line(path.parent)}")
    return path


def _module(model: Any, dtype: Any) -> RNN | Network:
    """Return a copy of what leaves, on the CPU and in evaluation mode."""
    if not isinstance(model, RNN | Network) and isinstance(model, HasNetwork):
        model = model.network()
    if not isinstance(model, RNN | Network):
        raise UserError(f"model is a {type(model).__name__}: must be a gatelab.RNN, a gatelab.Network or a run")
    weights = next(model.parameters())
    if dtype is None:
        dtype = weights.dtype if weights.dtype == torch.float64 else torch.float32
    wanted = _DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if wanted is None or wanted not in _DTYPES.values():
        raise UserError(f"dtype={one_line(dtype)}: must be {' or '.join(_DTYPES)}")
    size = sum(one.numel() for one in model.parameters()) * wanted.itemsize
    if size > _MOST_BYTES:
        raise UserError(f"the weights have {size} bytes; an ONNX file holds at most {_MOST_BYTES}")
    module = copy.deepcopy(model).to("cpu", wanted).eval()
    rnn = module.rnn if isinstance(module, Network) else module
    for layer in rnn.layers:
        layer.path = reference().name  # compared is with the path that all others must agree with
    return module
