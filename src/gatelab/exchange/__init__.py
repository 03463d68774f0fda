"""Networks from files of other programs, as gatelab.RNN: of torch, Keras, Flax, Equinox and Haiku; and ONNX files.

    found_in(path)                      every recurrent network of a file, by its ending and its names
    found_in_torch(path)                every recurrent network of a .pt, .pth, .pt2, .ckpt or .safetensors file
    found_in_keras(path)                every recurrent layer of a .keras or .weights.h5 file
    found_in_jax(parameters)            every recurrent cell of a tree of parameters, or of a file of one
    found_in_onnx(path)                 every LSTM, GRU and RNN node of an ONNX file
    chosen(found, layer, where)         the one of a name, or the only one
    to_onnx(model, path)                an ONNX file of an RNN, a network or a run, which ONNX Runtime has run

Each of the first is a :class:`Found`. Files are data: no code of theirs runs.
"""

from gatelab.exchange.any_file import found_in
from gatelab.exchange.found import Found, chosen
from gatelab.exchange.jax_trees import found_in_jax, from_jax
from gatelab.exchange.keras_file import found_in_keras, from_keras
from gatelab.exchange.onnx_in import OnnxNode, found_in_onnx, from_onnx
from gatelab.exchange.onnx_out import to_onnx
from gatelab.exchange.torch_file import found_in_torch, from_torch_file

__all__ = [
    "Found",
    "OnnxNode",
    "chosen",
    "found_in",
    "found_in_jax",
    "found_in_keras",
    "found_in_onnx",
    "found_in_torch",
    "from_jax",
    "from_keras",
    "from_onnx",
    "from_torch_file",
    "to_onnx",
]
