"""Every LSTM, GRU and RNN node of an ONNX file as gatelab.RNN.

from_onnx(path, name)     the nodes by name, or the one of a name
found_in_onnx(path)       the same as a list

No engine sees the file: wire_bounds counts what is in it, model_file parses it by protobuf and orders its graphs,
constant_tensors reads weights, external_data the files beside it, node_settings and activations check a node's
attributes, node_equations writes its variant.
"""

from gatelab.exchange.onnx_in.onnx_nodes import OnnxNode, found_in_onnx, from_onnx

__all__ = ["OnnxNode", "found_in_onnx", "from_onnx"]
