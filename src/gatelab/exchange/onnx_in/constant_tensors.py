"""Tensors of an ONNX file as arrays: dtype, shape and number of bytes are compared before an array is made."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line
from gatelab.exchange.onnx_in.external_data import external_bytes

__all__ = ["FLOATING", "WHOLE", "array_of"]

# number of a dtype in ONNX -> its name, how numpy stores it, the field of numbers that are not in raw_data
_DTYPES = {
    1: ("float32", "<f4", "float_data"),
    11: ("float64", "<f8", "double_data"),
    10: ("float16", "<u2", "int32_data"),
    16: ("bfloat16", "<u2", "int32_data"),
    6: ("int32", "<i4", "int32_data"),
    7: ("int64", "<i8", "int64_data"),
}
FLOATING = ("float32", "float64", "float16", "bfloat16")
WHOLE = ("int32", "int64")
_FIELDS = ("float_data", "double_data", "int32_data", "int64_data", "uint64_data", "string_data")
_EXTERNAL = 1
_MOST_AXES = 8
_LARGEST = 2**40  # bytes that a shape may ask for


def array_of(tensor: Any, allowed: tuple[str, ...], folder: Path, where: str) -> tuple[str, NDArray[Any]]:
    """Return the dtype of a TensorProto in ONNX's words, and its numbers; those of 16 bits as float32.

    Args:
        tensor: a TensorProto.
        allowed: dtypes, of :data:`FLOATING` and :data:`WHOLE`.
        folder: of the ONNX file, for tensors that are stored beside it.
        where: the tensor in errors.

    Raises:
        UserError: another dtype; sizes below 1; numbers that are not as many as the shape has; not finite ones.
    """
    name, stored, field = _DTYPES.get(tensor.data_type, (f"type {tensor.data_type} of ONNX", "", ""))
    if name not in allowed:
        raise UserError(f"{where}: numbers of {name}: must be {' or '.join(allowed)}")
    shape = tuple(tensor.dims)
    kind = np.dtype(stored)
    if len(shape) > _MOST_AXES or any(size < 1 for size in shape):
        raise UserError(f"{where}: shape {one_line(list(shape))}: every size must be at least 1")
    size = math.prod(shape) * kind.itemsize
    if size > _LARGEST:
        raise UserError(f"{where}: shape {one_line(list(shape))}: too large, {size} bytes")
    if tensor.HasField("segment"):
        raise UserError(f"{where}: a tensor in segments is not read")
    numbers = _numbers(tensor, kind, field, size, folder, where).reshape(shape)
    if name == "float16":
        numbers = numbers.view("<f2").astype(np.float32)
    elif name == "bfloat16":
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    if name in FLOATING and not np.isfinite(numbers).all():
        raise UserError(f"{where}: its numbers are not finite")
    return name, numbers


def _numbers(tensor: Any, kind: np.dtype[Any], field: str, size: int, folder: Path, where: str) -> NDArray[Any]:
    filled = [one for one in _FIELDS if getattr(tensor, one)]
    if tensor.HasField("raw_data"):
        filled.append("raw_data")
    if tensor.data_location == _EXTERNAL:
        if filled:
            raise UserError(f"{where}: external data, and {filled[0]} beside it")
        return np.frombuffer(external_bytes(tensor.external_data, size, folder, where), kind)
    if len(filled) != 1 or filled[0] not in ("raw_data", field):
        raise UserError(f"{where}: its numbers are in {' and '.join(filled) or 'no field'}: must be in one, {field}")
    given = getattr(tensor, filled[0])
    count = len(given) if filled == ["raw_data"] else len(given) * kind.itemsize
    if count != size:
        raise UserError(f"{where}: {count} bytes of numbers; its shape {one_line(list(tensor.dims))} needs {size}")
    if filled == ["raw_data"]:
        return np.frombuffer(given, kind)
    numbers = np.asarray(given)
    if kind.kind == "u" and (numbers.min() < 0 or numbers.max() > 2**16 - 1):
        raise UserError(f"{where}: int32_data has numbers of more than 16 bits")
    return numbers.astype(kind)
