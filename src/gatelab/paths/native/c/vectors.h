/* Vectors of the widest kind that the machine adds and multiplies, through the compiler's vector extensions. */
/* DOUBLE is 1 for double precision, 0 for single. */

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_thread_num(void) { return 0; }
#endif

#if DOUBLE
typedef double R;
typedef int64_t N;
#define LEAST DBL_MIN /* of the normal numbers */
#else
typedef float R;
typedef int32_t N;
#define LEAST FLT_MIN
#endif

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif

#define LANES ((long)(BYTES / sizeof(R)))
#define PAD(n) (((n) + LANES - 1) / LANES * LANES)
#define INLINE static inline __attribute__((always_inline))

typedef R V __attribute__((vector_size(BYTES)));
typedef N M __attribute__((vector_size(BYTES))); /* masks: all bits of a lane, or none */
typedef R U __attribute__((vector_size(BYTES), aligned(sizeof(R)), may_alias));

INLINE V load(const R *from) { return *(const U *)from; }
INLINE void store(R *to, V value) { *(U *)to = value; }
INLINE V splat(R value) { return value - (V){0}; } /* minus zero keeps the sign of a zero */
INLINE V choose(M mask, V yes, V no) { return (V)(((M)yes & mask) | ((M)no & ~mask)); }
INLINE V keep(M mask, V value) { return (V)((M)value & mask); }
INLINE V magnitude(V u) { return (V)((M)u & ~(M)splat((R)-0.0)); }
INLINE V no_subnormal(V u) { return (V)((M)u & ~(M)(magnitude(u) < splat(LEAST))); } /* NaN stays */
INLINE V with_sign_of(V u, V v) { return (V)((M)u | ((M)v & (M)splat((R)-0.0))); } /* u must not be negative */

/* u v + w. GCC makes one operation of it or two as it expects to be faster, in loops of one sum otherwise than in those of
   more: then a sum would depend on how many rows are summed at once. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__FMA__) && BYTES == 32
INLINE V fused(V u, V v, V w) {
#if DOUBLE
    return __builtin_ia32_vfmaddpd256(u, v, w);
#else
    return __builtin_ia32_vfmaddps256(u, v, w);
#endif
}
#elif defined(__GNUC__) && !defined(__clang__) && BYTES == 64
INLINE V fused(V u, V v, V w) {
#if DOUBLE
    return __builtin_ia32_vfmaddpd512_mask(u, v, w, -1, 4); /* all lanes, rounded as everything is */
#else
    return __builtin_ia32_vfmaddps512_mask(u, v, w, -1, 4);
#endif
}
#else
INLINE V fused(V u, V v, V w) { return u * v + w; }
#endif

/* a function of the C library, lane by lane */
#define BY_LANE(name, call)                                                                                            \
    INLINE V name(V u) {                                                                                               \
        V y;                                                                                                           \
        for (int i = 0; i < (int)LANES; i++) y[i] = call(u[i]);                                                        \
        return y;                                                                                                      \
    }
