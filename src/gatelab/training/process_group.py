"""One of the processes that train a run together: what it takes of a batch, and what they add up."""

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed
from torch import Tensor
from torch._C._distributed_c10d import FileStore

__all__ = ["HELD", "Rank", "joined"]

HELD = (signal.SIGTERM,)
"""Signals that the first process holds back while Lightning sets its handlers."""

_PATIENCE = timedelta(minutes=30)  # for the slowest of them, which may have to validate or to write first


@dataclass(frozen=True)
class Rank:
    """A process of a run with ``training.devices`` above 1; without these, the only one.

    Each has all weights and takes an equal part of the sequences of every batch. Gradients and losses are added up, so
    that all take the same step. Nothing else depends on how many they are: every process makes the whole batch, with
    its noise and its masks, and keeps its part.

    Attributes:
        place: which one, from 0; the first writes the run's files.
        of: how many there are.
    """

    place: int = 0
    of: int = 1

    def part(self, whole: Tensor, axis: int) -> Tensor:
        """Return what this process takes along an axis of sequences."""
        size = whole.shape[axis] // self.of
        return whole if self.of == 1 else whole.narrow(axis, self.place * size, size).contiguous()

    def total(self, own: Tensor) -> Tensor:
        """Return the sum over all processes, the same bits in each."""
        if self.of == 1:
            return own
        total = own.clone()
        torch.distributed.all_reduce(total)
        return total

    def together(self, part: Tensor, axis: int) -> Tensor:
        """Return the whole of which every process has what :meth:`part` returns."""
        if self.of == 1:
            return part
        size = part.shape[axis]
        whole = part.new_zeros(
            [self.of * length if place == axis else length for place, length in enumerate(part.shape)]
        )
        whole.narrow(axis, self.place * size, size).copy_(part)
        return self.total(whole)

    def takes(self, number: int) -> bool:
        """Say whether this process computes a batch of validation or test, numbered from 0."""
        return number % self.of == self.place

    def loss(self, means: Tensor, weights: Iterable[Tensor]) -> Tensor:
        """Return the number whose gradients, averaged over the processes as DDP does, are those of the whole loss.

        DDP waits for a gradient of every weight, also of one that the loss does not reach: that one is 0.
        """
        if self.of == 1:
            return means.sum()
        return self.of * means.sum() + 0 * sum(weight.sum() for weight in weights)


@contextmanager
def joined(rank: Rank, folder: Path, device: str) -> Iterator[None]:
    """Be one of the processes of a run during a block.

    Args:
        rank: which one.
        folder: of all of them, in which they find each other.
        device: cpu, or cuda, where each has the GPU of its place.
    """
    store = FileStore(str(folder / "met"), rank.of)
    backend = "nccl" if device == "cuda" else "gloo"
    if sys.platform == "linux":
        # they are all on this machine, whose name may lead to no address, or to one behind a firewall
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.distributed.init_process_group(backend, store=store, rank=rank.place, world_size=rank.of, timeout=_PATIENCE)
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()
