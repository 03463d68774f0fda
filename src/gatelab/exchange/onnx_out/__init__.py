"""Any RNN, network or run as an ONNX file.

to_onnx(model, path)    writes one file, after ONNX Runtime has run it
"""

from gatelab.exchange.onnx_out.leaving import to_onnx

__all__ = ["to_onnx"]
