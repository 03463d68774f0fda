/* Clipping and an optimiser of torch.optim (Adam, AdamW, SGD or RMSprop) for the rows of a stack, each row in one pass while
   it is in a cache.

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

enum { ADAM, SGD, RMSPROP };

struct optimizer {
    long runs, row, parts, threads, kind, nesterov, decoupled;
    const long *sizes;                        /* of the parts of a row */
    float *const *weights, *const *gradients; /* of each part, (runs, size); no gradient is one of zeros */
    float *rows;                              /* (runs, row): the gradients, clipped; afterwards the updates */
    float *const *m, *const *v;               /* of each run, (row,): moments, or none */
    const float *longest, *decays;            /* of each run; no decays without weight decay */
    /* of each run: 1 - beta_1 of Adam or the momentum; beta_2 or alpha, and what it leaves; epsilon */
    const float *first, *second, *rest, *epsilons;
    const uint8_t *active;
    float *norms;
    uint8_t *healthy;
    const float *rates, *corrections, *updates; /* of each run, at this step; the last two of Adam alone */
};

static void scale(float *row, const struct optimizer *a, long run) {
    for (long part = 0; part < a->parts; part++) {
        const float *weight = a->weights[part] + run * a->sizes[part];
        for (long i = 0; i < a->sizes[part]; i++) row[i] += weight[i] * a->decays[run];
        row += a->sizes[part];
    }
}

static void shrink(float *row, const struct optimizer *a, long run) {
    for (long part = 0; part < a->parts; part++) {
        const float *weight = a->weights[part] + run * a->sizes[part];
        for (long i = 0; i < a->sizes[part]; i++) row[i] -= weight[i] * a->decays[run];
        row += a->sizes[part];
    }
}

static void adam(const struct optimizer *a, long run, float *restrict g) {
    float *restrict m = a->m[run], *restrict v = a->v[run];
    const long row = a->row;
    /* torch's lerp begins at the nearer end */
    const float rest_1 = a->first[run], beta_2 = a->second[run], rest_2 = a->rest[run];
    if (rest_1 < 0.5f)
        for (long i = 0; i < row; i++) m[i] = fmaf(rest_1, g[i] - m[i], m[i]);
    else
        for (long i = 0; i < row; i++) m[i] = fmaf(rest_1 - 1, g[i] - m[i], g[i]);
    for (long i = 0; i < row; i++) v[i] = fmaf(rest_2 * g[i], g[i], v[i] * beta_2);
    const float correction = a->corrections[run], epsilon = a->epsilons[run], step = a->updates[run];
    for (long i = 0; i < row; i++) g[i] = step * m[i] / (sqrtf(v[i]) / correction + epsilon);
}

static void sgd(const struct optimizer *a, long run, float *restrict g) {
    float *restrict m = a->m[run];
    const float momentum = a->first[run];
    const long row = a->row;
    if (!m)
        for (long i = 0; i < row; i++) g[i] = -g[i];
    else {
        for (long i = 0; i < row; i++) m[i] = m[i] * momentum + g[i];
        if (a->nesterov)
            for (long i = 0; i < row; i++) g[i] = -fmaf(momentum, m[i], g[i]);
        else
            for (long i = 0; i < row; i++) g[i] = -m[i];
    }
}

/* `count` weights; what pads the row has no gradient, and with an epsilon of 0 no quotient */
static void rmsprop(const struct optimizer *a, long run, float *restrict g, long count) {
    float *restrict m = a->m[run], *restrict v = a->v[run];
    const float momentum = a->first[run], alpha = a->second[run], rest = a->rest[run], epsilon = a->epsilons[run];
    for (long i = 0; i < count; i++) v[i] = fmaf(rest * g[i], g[i], v[i] * alpha);
    if (!m)
        for (long i = 0; i < count; i++) g[i] = -g[i] / (sqrtf(v[i]) + epsilon);
    else
        for (long i = 0; i < count; i++) g[i] = -(m[i] = m[i] * momentum + g[i] / (sqrtf(v[i]) + epsilon));
}

/* Take a step in a run, whose gradients are number `at` of those given; `g` is where they are to lie in one row, clipped,
   and afterwards the update. */
void optimizer_of(const struct optimizer *a, long run, float *const *gradients, long at, float *restrict g) {
    NO_SUBNORMALS_IF(a->kind == SGD || a->epsilons[run] > 0); /* else a moment may be what divides */
    float *to = g;
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
    if (a->kind == ADAM) adam(a, run, g);
    else if (a->kind == SGD) sgd(a, run, g);
    else rmsprop(a, run, g, to - g);
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
void optimizer(const struct optimizer *a) {
    #pragma omp parallel for schedule(static) num_threads(a->threads) if (a->threads > 1 && a->runs * a->row > PARALLEL)
    for (long run = 0; run < a->runs; run++) optimizer_of(a, run, a->gradients, run, a->rows + run * a->row);
}
