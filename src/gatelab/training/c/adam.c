/* What torch.optim.Adam computes for the rows of a stack, in two passes over memory instead of fifteen.

   Every number is rounded where torch rounds it, so products and sums are fused only where it fuses them. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif
#include <math.h>
#include <stdint.h>
#include <string.h>

#define LARGE 1e30f /* a sum of smaller numbers is finite */

/* Copy parts, each (runs, size), side by side into rows. */
void gather(long runs, long row, long parts, const long *sizes, float *const *from, float *rows) {
    for (long run = 0; run < runs; run++) {
        float *to = rows + run * row;
        for (long part = 0; part < parts; part++) {
            memcpy(to, from[part] + run * sizes[part], sizeof(float) * sizes[part]);
            to += sizes[part];
        }
    }
}

/* Clip the gradients g, add L2's share to them, and update the moments m and v. */
void moments(long runs, long row, long parts, const long *sizes, float *const *weights, const float *norms,
             const float *longest, const float *decays, float rest_1, float beta_2, float rest_2, float *restrict g,
             float *restrict m, float *restrict v) {
    for (long run = 0; run < runs; run++) {
        const float share = longest[run] / (norms[run] + 1e-6f), clip = share > 1 ? 1 : share;
        float *own = g + run * row;
        for (long i = 0; i < row; i++) own[i] *= clip;
        if (decays)
            for (long part = 0; part < parts; part++) {
                const float *weight = weights[part] + run * sizes[part];
                for (long i = 0; i < sizes[part]; i++) own[i] += weight[i] * decays[run];
                own += sizes[part];
            }
    }
    /* torch's lerp begins at the nearer end */
    if (rest_1 < 0.5f)
        for (long i = 0; i < runs * row; i++) m[i] = fmaf(rest_1, g[i] - m[i], m[i]);
    else
        for (long i = 0; i < runs * row; i++) m[i] = fmaf(rest_1 - 1, g[i] - m[i], g[i]);
    for (long i = 0; i < runs * row; i++) v[i] = fmaf(rest_2 * g[i], g[i], v[i] * beta_2);
}

/* Add each run's update to its weights where it may move. Return how many rows hold numbers that are large or not
   finite; then nothing is added, and `steps` are the updates: whoever calls looks at their sums. */
long apply(long runs, long row, long parts, const long *sizes, float *const *weights, const float *m, const float *roots,
           const float *rates, const float *decays, const uint8_t *active, float correction, float epsilon, float size,
           float *steps) {
    long unsound = 0;
    for (long run = 0; run < runs; run++) {
        const float *mean = m + run * row, *root = roots + run * row;
        float *own = steps + run * row;
        for (long i = 0; i < row; i++) own[i] = size * mean[i] / (root[i] / correction + epsilon);
        if (decays)
            for (long part = 0; part < parts; part++) {
                const float *weight = weights[part] + run * sizes[part];
                for (long i = 0; i < sizes[part]; i++) own[i] -= weight[i] * decays[run];
                own += sizes[part];
            }
        own = steps + run * row;
        int sound = 1;
        for (long i = 0; i < row; i++) own[i] *= rates[run];
        for (long i = 0; i < row; i++) sound &= fabsf(own[i]) < LARGE;
        unsound += !sound;
    }
    if (unsound) return unsound;
    for (long run = 0; run < runs; run++) {
        const float *own = steps + run * row;
        for (long part = 0; part < parts; part++) {
            float *weight = weights[part] + run * sizes[part];
            for (long i = 0; i < sizes[part]; i++) weight[i] += active[run] ? own[i] : 0.0f;
            own += sizes[part];
        }
    }
    return 0;
}
