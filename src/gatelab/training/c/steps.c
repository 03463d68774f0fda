/* Some steps of a stack, one after the other: the layer forwards, readout and loss, the layer backwards, Adam. */
#include <math.h>
#include <stdint.h>
#include <string.h>

/* what is another place in memory at every step */
enum { X, LENGTHS, TARGET, SHARE, MEAN, RATES, CORRECTIONS, UPDATES, MOVING };

struct steps {
    long runs, time, batch, features, wide;
    void (*forward)(const long *, void *const *), (*backward)(const long *, void *const *);
    const long *sizes; /* of the layer, and the pointers that it takes */
    void **forth, **back;
    long x_at, lengths_at; /* places in these two; negative without lengths */
    long states;
    float *const *arriving; /* of each state, what is set to zero before the layer goes backwards */
    const long *arriving_sizes;
    long (*head)(const void *);
    void *of_head;
    void (*adam)(const void *);
    void *of_adam;
    void **moving[MOVING]; /* where the place is to be written; none for the first two */
    const uint8_t *active, *healthy;
    /* where only the last step of a sequence is read, its rows: (runs, batch, features), and their adjoints (…, wide) */
    const float *output;
    float *rows, *adjoint, *of_rows;
};

/* Where the last row of a sequence stands among those of all steps. */
static long last(const struct steps *s, const int64_t *lengths, long run, long b) {
    const long end = lengths ? (long)lengths[run * s->batch + b] : s->time, t = end > 0 ? end - 1 : 0;
    return (run * s->time + t) * s->batch + b;
}

static void gather(const struct steps *s, const int64_t *lengths) {
    const long size = s->features;
    for (long run = 0; run < s->runs; run++)
        for (long b = 0; b < s->batch; b++)
            memcpy(s->rows + (run * s->batch + b) * size, s->output + last(s, lengths, run, b) * size,
                   sizeof(float) * size);
}

/* Put the adjoints of the last rows into their places, or zeros again. */
static void scatter(const struct steps *s, const int64_t *lengths, int clear) {
    const long size = s->wide;
    for (long run = 0; run < s->runs; run++)
        for (long b = 0; b < s->batch; b++) {
            float *to = s->adjoint + last(s, lengths, run, b) * size;
            if (clear) memset(to, 0, sizeof(float) * size);
            else memcpy(to, s->of_rows + (run * s->batch + b) * size, sizeof(float) * size);
        }
}

/* Take up to `count` steps, and end after one in which a run that learns has a loss, a gradient or an update that is not
   finite. Return how many were taken; -1 where a target of the next is no class. */
long steps(struct steps *s, long count, char *const *at, const long *apart) {
    for (long step = 0; step < count; step++) {
        char *now[MOVING];
        for (int i = 0; i < MOVING; i++) {
            now[i] = at[i] + step * apart[i];
            if (s->moving[i]) *s->moving[i] = now[i];
        }
        const int64_t *lengths = s->lengths_at >= 0 ? (const int64_t *)now[LENGTHS] : 0;
        s->forth[s->x_at] = s->back[s->x_at] = now[X];
        if (lengths) s->forth[s->lengths_at] = s->back[s->lengths_at] = now[LENGTHS];
        s->forward(s->sizes, s->forth);
        if (s->rows) gather(s, lengths);
        if (s->head(s->of_head)) return -1;
        if (s->rows) scatter(s, lengths, 0);
        for (long i = 0; i < s->states; i++) memset(s->arriving[i], 0, sizeof(float) * s->arriving_sizes[i]);
        s->backward(s->sizes, s->back);
        if (s->rows) scatter(s, lengths, 1);
        s->adam(s->of_adam);
        const float *means = (const float *)now[MEAN];
        for (long run = 0; run < s->runs; run++)
            if (s->active[run] && !(s->healthy[run] && isfinite(means[run]))) return step + 1;
    }
    return count;
}
