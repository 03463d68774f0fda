"""Memory that stays with the process: fresh pages cost more than the arithmetic that fills them.

The first touch of every page of a fresh large array is a page fault, and large arrays are given back to the system when
they are freed. A pool keeps them instead. A tensor that it hands out may live as long as it likes, views included; its
memory comes back when the last of them is gone.
"""

import os
import weakref
from collections import OrderedDict, deque
from math import prod
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Pool", "pool"]

_ALIGNMENT = 64
_SMALL = 1 << 15  # bytes: PyTorch's own memory has seen a first touch, aligns to 64 bytes too, and takes less time
_IDLE_LIMIT = 1 << 30  # bytes kept for later
_DTYPES: dict[torch.dtype, np.dtype[Any]] = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}


class _Loan(weakref.ref[NDArray[Any]]):
    """Knows the block of an array, and when the array is gone: weakref.finalize does more, and takes longer."""

    __slots__ = ("block",)

    block: NDArray[np.uint8]


class Pool:
    """Blocks of memory by size; sizes are rounded up so that nearly equal wishes meet."""

    def __init__(self, idle_limit: int = _IDLE_LIMIT) -> None:
        self.idle_limit = idle_limit
        self._idle: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._serial = 0
        # a block comes back whenever its tensor dies, even in the middle of a method: it only queues up here
        self._returned: deque[NDArray[np.uint8]] = deque()
        self._lent: dict[int, _Loan] = {}
        self._lock = Lock()

    def tensor(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return a tensor of whatever the memory holds; its first element is aligned to 64 bytes."""
        kind = _DTYPES[dtype]
        size = prod(shape) * kind.itemsize
        if size <= _SMALL:
            return torch.empty(shape, dtype=dtype)
        block = self._take(_rounded(size))
        array = block[:size].view(kind).reshape(shape)
        loan = _Loan(array, self._end)
        loan.block = block
        self._lent[id(loan)] = loan
        return torch.from_numpy(array)

    def _end(self, loan: "_Loan") -> None:
        self._returned.append(loan.block)
        del self._lent[id(loan)]

    def renew_lock(self) -> None:
        """Forget who held the lock: in a forked child, where that thread does not exist."""
        self._lock = Lock()

    def _take(self, size: int) -> NDArray[np.uint8]:
        with self._lock:
            while self._returned:
                self._serial += 1
                self._idle[self._serial] = self._returned.popleft()
            # the block that came back last is the likeliest to be in a cache
            for serial in reversed(self._idle):
                if self._idle[serial].size == size:
                    return self._idle.pop(serial)
            idle = sum(block.size for block in self._idle.values())
            while idle > self.idle_limit:
                idle -= self._idle.popitem(last=False)[1].size
        memory = np.empty(size + _ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % _ALIGNMENT
        return memory[start : start + size]


def _rounded(size: int) -> int:
    """Round up to four significant bits, a page at least."""
    step = 1 << max(12, size.bit_length() - 4)
    return -(-max(size, 1) // step) * step


pool = Pool()
"""The pool of this process."""

os.register_at_fork(after_in_child=pool.renew_lock)
