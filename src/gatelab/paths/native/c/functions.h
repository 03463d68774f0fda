/* What the element-wise functions of language/functions.py are written with. A NaN that comes in goes out. */

#if DOUBLE
#define BITS 52
#define BIAS 1023
#define ROUNDER 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to an integer, in the lowest bits */
#define LN2_HIGH 0.693145751953125
#define LN2_LOW 1.42860682030941723212e-6
#define LOWEST -708.0 /* exp of it is the smallest result that is treated as a normal number */
#define HIGHEST 709.7
#define SMALLEST 2.2250738585072014e-308
#define SCALE 4503599627370496.0
#define C(name) name
#else
#define BITS 23
#define BIAS 127
#define ROUNDER 12582912.0f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define LOWEST -87.0f
#define HIGHEST 88.5f
#define SMALLEST 1.17549435e-38f
#define SCALE 8388608.0f
#define C(name) name##f
#endif

/* u = n ln 2 + r with |r| <= ln 2 / 2; returns exp(r) - 1, and n + ROUNDER in its second argument */
INLINE V reduced(V u, V *n) {
    V shifted = u * (R)1.4426950408889634 + (R)ROUNDER;
    V whole = shifted - (R)ROUNDER;
    V r = u - whole * (R)LN2_HIGH;
    r = r - whole * (R)LN2_LOW;
    *n = shifted;
#if DOUBLE
    /* Taylor to degree 13: the first term left out is below 4e-18 */
    V p = splat(1.0 / 6227020800.0);
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
#else
    /* Moshier, Cephes library, expf */
    V p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
#endif
    return p * (r * r) + r;
}

/* 2^n for n in the lowest bits of n + ROUNDER; n must leave a normal number */
INLINE V power_of_two(V n) { return (V)(((M)n - (M)splat((R)ROUNDER) + BIAS) << BITS); }

/* exp(u) for u <= 0; 0 below LOWEST */
INLINE V exp_below(V u) {
    V n, clipped = choose(u < (R)LOWEST, splat((R)LOWEST), u);
    V p = reduced(clipped, &n);
    V scale = power_of_two(n);
    return keep(~(u < (R)LOWEST), p * scale + scale);
}

INLINE V exponential(V u) {
    /* clipped where the result is 0 or infinite, scaled in two halves so that both ends are reached gradually */
    V n, clipped = choose(u < (R)(2 * LOWEST), splat((R)(2 * LOWEST)), u);
    clipped = choose(clipped > (R)(2 * HIGHEST), splat((R)(2 * HIGHEST)), clipped);
    V p = reduced(clipped, &n);
    M whole = (M)n - (M)splat((R)ROUNDER);
    M half = whole >> 1;
    V first = (V)((half + BIAS) << BITS), second = (V)((whole - half + BIAS) << BITS);
    return (p + (R)1) * first * second;
}

/* sigmoid(u) = 1/(1 + e) for u >= 0, e/(1 + e) below, with e = exp(-|u|) */
INLINE V logistic(V u) {
    V e = exp_below(-magnitude(u));
    return choose(u < (R)0, e, splat((R)1)) / ((R)1 + e);
}

/* tanh |u| = -m/(2 + m) with m = exp(-2|u|) - 1, which the reduction gives without cancellation */
INLINE V hyperbolic_tangent(V u) {
    V n, size = magnitude(u) * (R)-2;
    V p = reduced(choose(size < (R)-40, splat((R)-40), size), &n);
    V scale = power_of_two(n);
    V m = p * scale + (scale - (R)1);
    return with_sign_of(magnitude(m / ((R)2 + m)), u);
}

/* the larger of two, NaN where either is */
INLINE V larger(V u, V v) { return choose((u > v) | (u != u), u, v); }
INLINE V clipped(V u, R low, R high) { return choose(u < low, splat(low), choose(u > high, splat(high), u)); }
/* log(1 + f) for 1 + f between sqrt(1/2) and sqrt(2): with s = f/(2 + f) it is f - (h - s (h + R)), h = f^2/2, R a
   polynomial in s^2 (Ng, fdlibm, e_log.c; its own, shorter one for single precision) */
INLINE V near_one(V f) {
    V s = f / (f + (R)2), z = s * s, h = f * f * (R)0.5;
#if DOUBLE
    V p = splat(1.479819860511658591e-01);
    p = p * z + 1.531383769920937332e-01;
    p = p * z + 1.818357216161805012e-01;
    p = p * z + 2.222219843214978396e-01;
    p = p * z + 2.857142874366239149e-01;
    p = p * z + 3.999999999940941908e-01;
    p = p * z + 6.666666666666735130e-01;
#else
    V p = splat(0.24279078841f);
    p = p * z + 0.28498786688f;
    p = p * z + 0.40000972152f;
    p = p * z + 0.66666662693f;
#endif
    return f - (h - s * (h + z * p));
}

/* u = (1 + f) 2^n for a normal positive u; returns f, and n in its second argument */
INLINE V split(V u, V *n) {
    /* the exponent that leaves a fraction between sqrt(1/2) and sqrt(2) */
    M bits = (M)u, whole = (bits - (M)splat((R)0.70710678118654752440)) >> BITS;
    *n = __builtin_convertvector(whole, V);
    return (V)(bits - (whole << BITS)) - (R)1;
}

INLINE V logarithm(V u) {
    /* numbers below the normal ones are scaled up */
    M small = u < SMALLEST;
    V n, f = split(choose(small, u * SCALE, u), &n);
    n = n - keep(small, splat((R)BITS));
    V y = n * (R)LN2_HIGH + (near_one(f) + n * (R)LN2_LOW);
    y = choose(u > (R)0, choose(u == (R)INFINITY, u, y), splat((R)NAN));
    return choose(u == (R)0, splat((R)-INFINITY), choose(u != u, u, y));
}

/* log(1 + e) for e from 0 to 1, to rounding also where 1 + e has lost digits of e */
INLINE V log_of_one_plus(V e) {
    V whole = e + (R)1, lost = (e - (whole - (R)1)) / whole;
    V n, f = split(whole, &n);
    return n * (R)LN2_HIGH + (near_one(f) + (n * (R)LN2_LOW + lost));
}
