"""Many random streams at once: the numbers of ``randomness.generator`` for many seeds and steps, bit for bit.

Making one of numpy's generators for each run and step costs more than drawing a small batch from it, and more than
training a small network on it.
"""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError
from gatelab.paths.native.build import load
from gatelab.randomness import generator

__all__ = ["Random", "Streams"]

_LARGEST = 2**32 - 2  # the range of whole numbers that are made of half a word
Shape = int | tuple[int, ...]


class Streams:
    """The generators of many (seed, index), with the methods of numpy's that tasks use.

    Every array has an axis of streams before the shape that is asked for. Without a C compiler, or where a seed has
    more than 64 bits, numpy's own generators are asked one after the other.

    Args:
        seeds: one for each stream.
        purpose: as in :func:`gatelab.randomness.generator`.
        indices: one for each stream.
    """

    def __init__(self, seeds: Sequence[int], purpose: str, indices: Sequence[int]) -> None:
        self.count = len(seeds)
        self._code = _code() if max([*seeds, *indices], default=0) < 2**64 else None
        if self._code is None:
            self._each = [generator(seed, purpose, index) for seed, index in zip(seeds, indices, strict=True)]
            return
        self._states = np.empty(self.count * self._code.size(), np.uint8)
        starts, numbers = np.array(seeds, np.uint64), np.array(indices, np.uint64)
        crc = zlib.crc32(purpose.encode())
        self._code.start(self.count, _at(self._states), _at(starts), crc, _at(numbers))

    def random(self, size: Shape = (), dtype: type[np.float32] | type[np.float64] = np.float64) -> NDArray[Any]:
        """Draw numbers that are uniform in [0, 1)."""
        if self._code is None:
            return np.stack([one.random(size, dtype) for one in self._each])
        out = np.empty(self._shape(size), dtype)
        draw = self._code.floats if out.dtype == np.float32 else self._code.doubles
        draw(self.count, _at(self._states), prod(out.shape[1:]), _at(out))
        return out

    def integers(self, low: int, high: int, size: Shape = ()) -> NDArray[np.int64]:
        """Draw whole numbers from low to high - 1."""
        if self._code is None:
            return np.stack([one.integers(low, high, size) for one in self._each])
        out, spread = np.empty(self._shape(size), np.int64), high - 1 - low
        if not 0 <= spread <= _LARGEST:
            raise ValueError(f"integers from {low} to {high}: must be some, and fewer than 2**32")
        self._code.integers(self.count, _at(self._states), prod(out.shape[1:]), low, spread, _at(out))
        return out

    def _shape(self, size: Shape) -> tuple[int, ...]:
        return (self.count, *(size if isinstance(size, tuple) else (size,)))


Random = np.random.Generator | Streams
"""What a task may draw from: one generator, or many at once."""


def _at(array: NDArray[Any]) -> int:
    return array.ctypes.data


@cache
def _code() -> Any:
    """Return the compiled code; None if there is no compiler."""
    text = files("gatelab.tasks").joinpath("c", "streams.c").read_text(encoding="utf-8")
    try:
        library = load(text, "size", "start", "floats", "doubles", "integers")
    except UserError:
        return None
    count, at, word = ctypes.c_long, ctypes.c_void_p, ctypes.c_uint32
    library.size.restype = count
    library.start.argtypes = [count, at, at, word, at]
    library.floats.argtypes = library.doubles.argtypes = [count, at, count, at]
    library.integers.argtypes = [count, at, count, ctypes.c_int64, word, at]
    return library
