/* Clipping and torch.optim.Adam for the rows of a stack, each row in one pass while it is in a cache.

   Every number but norm and square root is rounded where torch rounds it: products and sums are fused only where it fuses
   them. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif
#include <math.h>
#include <stdint.h>
#include <string.h>

#define SUMS 16 /* side by side, in an order that no compiler changes */
#define PARALLEL 100000 /* numbers, from which threads are worth their start */

struct adam {
    long runs, row, parts, threads;
    const long *sizes;                                /* of the parts of a row */
    float *const *weights, *const *gradients;         /* of each part, (runs, size); no gradient is one of zeros */
    float *rows;                                      /* (runs, row): the gradients, clipped; afterwards the updates */
    float *const *m, *const *v;                       /* of each run, (row,) */
    const float *longest, *decays;                    /* of each run; no decays without weight decay */
    const float *rest_1, *beta_2, *rest_2, *epsilons; /* of each run */
    long decoupled;
    const uint8_t *active;
    float *norms;
    uint8_t *healthy;
    const float *rates, *corrections, *updates; /* of each run, at this step */
};

static void scale(float *row, const struct adam *a, long run) {
    for (long part = 0; part < a->parts; part++) {
        const float *weight = a->weights[part] + run * a->sizes[part];
        for (long i = 0; i < a->sizes[part]; i++) row[i] += weight[i] * a->decays[run];
        row += a->sizes[part];
    }
}

static void shrink(float *row, const struct adam *a, long run) {
    for (long part = 0; part < a->parts; part++) {
        const float *weight = a->weights[part] + run * a->sizes[part];
        for (long i = 0; i < a->sizes[part]; i++) row[i] -= weight[i] * a->decays[run];
        row += a->sizes[part];
    }
}

/* Take a step in a run, whose gradients are number `at` of those given; `g` is where they are to lie in one row, clipped,
   and afterwards the update. */
void adam_of(const struct adam *a, long run, float *const *gradients, long at, float *restrict g) {
    NO_SUBNORMALS;
    float *restrict m = a->m[run], *restrict v = a->v[run], *to = g;
    const long row = a->row;
    for (long part = 0; part < a->parts; part++) {
        const long bytes = sizeof(float) * a->sizes[part];
        if (gradients[part]) memcpy(to, gradients[part] + at * a->sizes[part], bytes);
        else memset(to, 0, bytes);
        to += a->sizes[part];
    }
    memset(to, 0, sizeof(float) * (g + row - to));
    float sums[SUMS] = {0}, sum = 0;
    for (long i = 0; i < row; i += SUMS)
        for (int l = 0; l < SUMS; l++) sums[l] += g[i + l] * g[i + l];
    for (int l = 0; l < SUMS; l++) sum += sums[l];
    const float norm = a->norms[run] = sqrtf(sum), share = a->longest[run] / (norm + 1e-6f), clip = share > 1 ? 1 : share;
    for (long i = 0; i < row; i++) g[i] *= clip;
    if (a->decays && !a->decoupled) scale(g, a, run);
    /* torch's lerp begins at the nearer end */
    const float rest_1 = a->rest_1[run], beta_2 = a->beta_2[run], rest_2 = a->rest_2[run];
    if (rest_1 < 0.5f)
        for (long i = 0; i < row; i++) m[i] = fmaf(rest_1, g[i] - m[i], m[i]);
    else
        for (long i = 0; i < row; i++) m[i] = fmaf(rest_1 - 1, g[i] - m[i], g[i]);
    for (long i = 0; i < row; i++) v[i] = fmaf(rest_2 * g[i], g[i], v[i] * beta_2);
    const float correction = a->corrections[run], epsilon = a->epsilons[run], step = a->updates[run];
    for (long i = 0; i < row; i++) g[i] = step * m[i] / (sqrtf(v[i]) / correction + epsilon);
    if (a->decays && a->decoupled) shrink(g, a, run);
    const float rate = a->rates[run];
    int sound = norm <= 3.4028235e38f; /* not of NaN */
    for (long i = 0; i < row; i++) g[i] *= rate;
    for (long i = 0; i < to - g; i++) sound &= fabsf(g[i]) <= 3.4028235e38f;
    a->healthy[run] = (uint8_t)sound;
    if (!sound || !a->active[run]) return;
    for (long part = 0; part < a->parts; part++) {
        float *weight = a->weights[part] + run * a->sizes[part];
        for (long i = 0; i < a->sizes[part]; i++) weight[i] += g[i];
        g += a->sizes[part];
    }
}

/* Take a step in every run; the weights of those that are not active, or whose gradient or update is not finite, stay. */
void adam(const struct adam *a) {
    #pragma omp parallel for schedule(static) num_threads(a->threads) if (a->threads > 1 && a->runs * a->row > PARALLEL)
    for (long run = 0; run < a->runs; run++) adam_of(a, run, a->gradients, run, a->rows + run * a->row);
}
