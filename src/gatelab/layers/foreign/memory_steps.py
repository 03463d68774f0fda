"""The memory of an mLSTM step by step in PyTorch: what its loop repeats, with which compiled code must agree."""

import math

import torch
from torch import Tensor

__all__ = ["memory_by_steps", "memory_step", "stabilised_gates"]


def stabilised_gates(i_log: Tensor, f_log: Tensor, before: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gates i and f, both times exp(-m); ``before`` is m before the step."""
    return torch.exp(i_log - m), torch.exp(f_log + before - m)


def memory_step(
    q: Tensor, k: Tensor, v: Tensor, i_log: Tensor, f_log: Tensor, c: Tensor, n: Tensor, m: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Write into the memory, and read from it.

    Args:
        q, k, v: (batch, hidden); the keys are scaled already.
        i_log, f_log: logarithms of the gates, (batch, heads).
        c, n, m: the memory before the step, (batch, hidden × size of a head), (batch, hidden), (batch, heads).

    Returns:
        what is read (batch, hidden), and the memory after the step.
    """
    heads = i_log.shape[-1]
    size = q.shape[-1] // heads
    q, k, v = (one.unflatten(-1, (heads, size)) for one in (q, k, v))
    now = torch.maximum(f_log + m, i_log)
    i, f = stabilised_gates(i_log, f_log, m, now)

    written = (i.unsqueeze(-1) * v).unsqueeze(-1) * k.unsqueeze(-2)
    memory = f[..., None, None] * c.unflatten(-1, (heads, size, size)) + written
    n = f.unsqueeze(-1) * n.unflatten(-1, (heads, size)) + i.unsqueeze(-1) * k
    read = (memory @ q.unsqueeze(-1)).squeeze(-1)
    weight = (n * q).sum(-1)

    # read / max(abs(weight), exp(-m)), multiplied by exp(m) above and below where m < 0: exp(-m) would overflow.
    # Where it would vanish it is replaced by the smallest normal number, so that nothing is divided by 0.
    shrunk = torch.exp(now.clamp(max=0))
    least = torch.exp(-now.clamp(0, -math.log(torch.finfo(now.dtype).tiny)))
    divisor = torch.maximum(weight.abs() * shrunk, least)
    return (read * (shrunk / divisor).unsqueeze(-1)).flatten(-2), memory.flatten(-3), n.flatten(-2), now


def memory_by_steps(
    q: Tensor, k: Tensor, v: Tensor, i_log: Tensor, f_log: Tensor, c: Tensor, n: Tensor, m: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what is read at all steps, the last C and n, and m after every step; arguments have a time axis first."""
    read, tops = [], []
    for now in zip(q.unbind(), k.unbind(), v.unbind(), i_log.unbind(), f_log.unbind(), strict=True):
        output, c, n, m = memory_step(*now, c, n, m)
        read.append(output)
        tops.append(m)
    return torch.stack(read), c, n, torch.stack(tops)
