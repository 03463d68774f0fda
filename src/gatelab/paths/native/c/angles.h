/* Sine, cosine and powers. Single precision is reduced in double, in which the products of the reduction are exact. */

#if !DOUBLE
typedef double W __attribute__((vector_size(2 * BYTES)));
typedef int64_t K __attribute__((vector_size(2 * BYTES)));
typedef uint64_t U64 __attribute__((vector_size(2 * BYTES)));
#endif

INLINE int any(M mask) {
    typedef int64_t Q __attribute__((vector_size(BYTES)));
    const Q parts = (Q)mask;
    int64_t all = 0;
    for (int i = 0; i < BYTES / 8; i++) all |= parts[i];
    return all != 0;
}

#define FARTHEST (R)1e6 /* angles beyond it, and what is no number, are left to the C library */

/* u = n pi/2 + r with |r| <= pi/4, a rounding more at most; returns r, and n + ROUNDER in its second argument. Parts of pi/2
   (Ng, fdlibm, e_rem_pio2.c): the first two have 33 bits, and n has 20. */
INLINE V quarter(V u, V *n) {
    const V shifted = u * (R)0.63661977236758134308 + (R)ROUNDER, whole = shifted - (R)ROUNDER;
    *n = shifted;
#if DOUBLE
    V r = u - whole * 1.57079632673412561417e+00;
    r = r - whole * 6.07710050630396597660e-11;
    return r - whole * 2.02226624879595063154e-21;
#else
    const W turns = __builtin_convertvector(whole, W);
    W r = __builtin_convertvector(u, W) - turns * 1.57079632673412561417e+00;
    r = r - turns * 6.07710050650619224932e-11;
    return __builtin_convertvector(r, V);
#endif
}

/* sine and cosine of |r| <= pi/4 (Moshier, Cephes library, sin.c and sinf.c) */
INLINE V near_sine(V r) {
    const V z = r * r;
#if DOUBLE
    V p = splat(1.58962301576546568060e-10);
    p = p * z - 2.50507477628578072866e-8;
    p = p * z + 2.75573136213857245213e-6;
    p = p * z - 1.98412698295895385996e-4;
    p = p * z + 8.33333333332211858878e-3;
    p = p * z - 1.66666666666666307295e-1;
#else
    V p = splat(-1.9515295891e-4f);
    p = p * z + 8.3321608736e-3f;
    p = p * z - 1.6666654611e-1f;
#endif
    return p * z * r + r;
}

INLINE V near_cosine(V r) {
    const V z = r * r;
#if DOUBLE
    V p = splat(-1.13585365213876817300e-11);
    p = p * z + 2.08757008419747316778e-9;
    p = p * z - 2.75573141792967388112e-7;
    p = p * z + 2.48015872888517045348e-5;
    p = p * z - 1.38888888888730564116e-3;
    p = p * z + 4.16666666666665929218e-2;
#else
    V p = splat(2.443315711809948e-5f);
    p = p * z - 1.388731625493765e-3f;
    p = p * z + 4.166664568298827e-2f;
#endif
    return p * (z * z) + ((R)1 - z * (R)0.5);
}

/* the sine of u + ahead pi/2 */
INLINE V turned(V u, int ahead) {
    V n, r = quarter(u, &n);
    const M turns = (M)n + ahead, odd = (turns & 1) != 0, low = (turns & 2) != 0;
    const V y = choose(odd, near_cosine(r), near_sine(r));
    return (V)((M)y ^ (low & (M)splat((R)-0.0)));
}

INLINE V sine(V u) {
    const M far = ~(magnitude(u) <= FARTHEST);
    V y = choose(u == (R)0, u, turned(u, 0));
    if (__builtin_expect(any(far), 0)) {
        for (int i = 0; i < (int)LANES; i++) y[i] = far[i] ? C(sin)(u[i]) : y[i];
    }
    return y;
}

INLINE V cosine(V u) {
    const M far = ~(magnitude(u) <= FARTHEST);
    V y = turned(u, 1);
    if (__builtin_expect(any(far), 0)) {
        for (int i = 0; i < (int)LANES; i++) y[i] = far[i] ? C(cos)(u[i]) : y[i];
    }
    return y;
}

/* u to a power that the equation says, one that is no small whole number */
#if DOUBLE
INLINE V raised(V u, R exponent) {
    V y;
    for (int i = 0; i < (int)LANES; i++) y[i] = pow(u[i], exponent);
    return y;
}
#else
/* exp(exponent log |u|) in double precision, and then what has no logarithm */
INLINE V raised(V u, R exponent) {
    const double power = exponent;
    const V size = magnitude(u);
    W from = __builtin_convertvector(choose((size > 0) & (size < INFINITY), size, splat(1)), W);
    /* as in split(), by a whole number of powers of 2; shifts of what is never negative, which every processor has */
    const double root = 0.70710678118654752440;
    int64_t least;
    memcpy(&least, &root, sizeof root);
    const K bits = (K)from, whole = (K)((U64)(bits - least + (INT64_C(1024) << 52)) >> 52) - 1024;
    const W f = (W)(bits - (whole << 52)) - 1, s = f / (f + 2), z = s * s;
    /* by pairs, which do not wait for each other */
    const W zz = z * z, rest = (z * (1.0 / 13) + 1.0 / 11) + zz * (1.0 / 15);
    const W p = (z * (1.0 / 5) + 1.0 / 3) + zz * ((z * (1.0 / 9) + 1.0 / 7) + zz * rest);
    /* 2^52 + 2^51 + n, read as an integer, ends in the bits of n */
    const W number = (W)(whole + INT64_C(0x4338000000000000)) - 6755399441055744.0;
    const W t = (number * 0.69314718055994530942 + (s * 2 + s * 2 * z * p)) * power;
    const V reach = __builtin_convertvector(t, V);
    const W shifted = t * 1.4426950408889634 + 6755399441055744.0, turns = shifted - 6755399441055744.0;
    const W r = t - turns * 0.69314718055994530942;
    const W rr = r * r, ends = (r * (1.0 / 5040) + 1.0 / 720) + rr * (r * (1.0 / 362880) + 1.0 / 40320);
    const W e = ((r * (1.0 / 6) + 0.5) + rr * ((r * (1.0 / 120) + 1.0 / 24) + rr * ends)) * rr + r + 1;
    const K scale = ((K)shifted - INT64_C(0x4338000000000000) + 1023) << 52;
    V y = __builtin_convertvector(e * (W)scale, V);
    y = choose(reach > 100, splat(INFINITY), choose(reach < -110, splat(0), y));

    const int is_whole = floorf(exponent) == exponent, is_odd = is_whole && fmodf(fabsf(exponent), 2) == 1;
    y = choose(size == 0, splat(exponent > 0 ? 0 : INFINITY), y);
    y = choose(size == INFINITY, splat(exponent > 0 ? INFINITY : 0), y);
    /* the sign is that of u for an odd power; the power of a negative number that is not whole is none, of infinity and 0 it is */
    if (is_odd) y = with_sign_of(y, u);
    else if (!is_whole) y = choose((u < 0) & (size < INFINITY), splat(NAN), y);
    return choose(u != u, u, y);
}
#endif
