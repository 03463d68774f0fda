"""The measured peak of a core: multiply-adds on registers only."""

import ctypes
from functools import lru_cache

from gatelab.paths.native.build import load

__all__ = ["peak_gigaflops"]

# twelve sums are enough to hide the latency of a multiply-add on any of today's cores
_SOURCE = """
#include <time.h>
#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
typedef float V __attribute__((vector_size(BYTES)));
double gigaflops(long rounds) {
    V sum[12], a = (V){0} + 0.999f, b = (V){0} + 0.001f;
    for (int i = 0; i < 12; i++) sum[i] = (V){0} + (float)i; /* unequal, or the compiler would compute one of them */
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long n = 0; n < rounds; n++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) sum[i] = sum[i] * a + b;
        __asm__ volatile("");
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    for (int i = 1; i < 12; i++) sum[0] += sum[i];
    volatile float used = sum[0][0];
    (void)used;
    double seconds = (to.tv_sec - from.tv_sec) + 1e-9 * (to.tv_nsec - from.tv_nsec);
    return 2e-9 * 12 * (BYTES / 4) * rounds / seconds;
}
"""


@lru_cache(maxsize=1)
def peak_gigaflops() -> float:
    """Return the GFLOP/s of one core in single precision, the best of some tries.

    Raises:
        UserError: there is no compiler.
    """
    function = load(_SOURCE, "gigaflops").gigaflops
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_long]
    return max(float(function(2_000_000)) for _ in range(5))
