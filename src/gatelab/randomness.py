"""Everything random in a run is a function of its seed, a purpose and indices, and of nothing else."""

import zlib

import numpy as np

__all__ = ["generator"]


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Return the generator of one random thing, such as ``generator(seed, "order", epoch)``.

    Streams of different purposes or indices are independent, so that no number depends on how many were drawn before
    it: on the position in a sweep, on the neighbours in a stack, or on the point where a run was resumed.
    """
    key = [seed, zlib.crc32(purpose.encode()), *indices]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
