/* Subnormal numbers (below 1.2e-38 in single precision, 2.2e-308 in double) become zero as they arise. A gradient that fades
   over hundreds of steps passes through them, and some processors take a hundred times as long for each. NO_SUBNORMALS stands
   first in a function of gradients that only adds and multiplies them, or whose quotients and logarithms are of numbers that
   are never so small; elsewhere a quotient or a logarithm of zero would be no number. When the function ends, the thread
   treats subnormal numbers as before. */
#if defined(__SSE__)
#include <xmmintrin.h>
typedef unsigned mode_of_numbers;
static inline mode_of_numbers without_subnormals(int wanted) {
    const mode_of_numbers before = _mm_getcsr();
    if (wanted) _mm_setcsr(before | 0x8000); /* flush to zero */
    return before;
}
static inline void as_before(const mode_of_numbers *before) { _mm_setcsr(*before); }

#elif defined(__aarch64__)
#include <stdint.h>
typedef uint64_t mode_of_numbers;
static inline mode_of_numbers without_subnormals(int wanted) {
    mode_of_numbers before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    if (wanted) __asm__ volatile("msr fpcr, %0" : : "r"(before | (mode_of_numbers)1 << 24)); /* flush to zero */
    return before;
}
static inline void as_before(const mode_of_numbers *before) { __asm__ volatile("msr fpcr, %0" : : "r"(*before)); }

#else /* they stay */
typedef int mode_of_numbers;
static inline mode_of_numbers without_subnormals(int wanted) { return wanted; }
static inline void as_before(const mode_of_numbers *before) { (void)before; }
#endif

#define NO_SUBNORMALS_IF(wanted)                                                                                       \
    const mode_of_numbers mode_before __attribute__((cleanup(as_before), unused)) = without_subnormals(wanted)
#define NO_SUBNORMALS NO_SUBNORMALS_IF(1)
