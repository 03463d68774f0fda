/* Some steps of a stack: in each step, for one group of runs after the other, the layer forwards, readout and loss, the
   layer backwards, the optimiser. What a group keeps on its way lies in the memory of a lane, which the next group uses again, so
   that it stays in a cache; there is a lane for each thread. */
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>

/* A place in memory that holds an address, and what it is at each step and for each group. */
struct move {
    char **place, *base;
    long per_step, per_group;
};

struct lane {
    const long *sizes; /* of the layer, and the pointers that it takes */
    void **forth, **back;
    const struct move *moves;
    long moved;
    void *of_head;
    float *const *gradients; /* of the parts of a row of the optimiser */
    float *row;              /* room for one */
    float *const *arriving;  /* of each state, what is set to zero before the layer goes backwards */
    const long *arriving_sizes;
    /* where only the last step of a sequence is read, its rows: (group, batch, features), and their adjoints (…, wide) */
    const int64_t *lengths; /* or none */
    const float *output;
    float *rows, *adjoint, *of_rows;
};

struct steps {
    long runs, group, time, batch, features, wide, states, lanes;
    void (*forward)(const long *, void *const *), (*backward)(const long *, void *const *);
    long (*head)(const void *);
    void (*optimizer)(const void *, long, float *const *, long, float *);
    void *of_optimizer;
    const struct move *moves; /* what is another at each step, and the same for all runs */
    long moved;
    struct lane *lane;
    const float *means; /* (steps, runs) */
    const uint8_t *active, *healthy;
};

static void move(const struct move *moves, long count, long step, long group) {
    for (const struct move *m = moves; m < moves + count; m++) *m->place = m->base + step * m->per_step + group * m->per_group;
}

/* Where the last row of a sequence stands among those of all steps. */
static long last(const struct steps *s, const int64_t *lengths, long run, long b) {
    const long end = lengths ? (long)lengths[run * s->batch + b] : s->time, t = end > 0 ? end - 1 : 0;
    return (run * s->time + t) * s->batch + b;
}

static void gather(const struct steps *s, const struct lane *lane) {
    const long size = s->features;
    for (long run = 0; run < s->group; run++)
        for (long b = 0; b < s->batch; b++)
            memcpy(lane->rows + (run * s->batch + b) * size, lane->output + last(s, lane->lengths, run, b) * size,
                   sizeof(float) * size);
}

/* Put the adjoints of the last rows into their places, or zeros again. */
static void scatter(const struct steps *s, const struct lane *lane, int clear) {
    const long size = s->wide;
    for (long run = 0; run < s->group; run++)
        for (long b = 0; b < s->batch; b++) {
            float *to = lane->adjoint + last(s, lane->lengths, run, b) * size;
            if (clear) memset(to, 0, sizeof(float) * size);
            else memcpy(to, lane->of_rows + (run * s->batch + b) * size, sizeof(float) * size);
        }
}

/* Take one step in the runs of a group that learn. Return whether a target is no class; then its weights stay. */
static long take(const struct steps *s, const struct lane *lane, long step, long group) {
    const long first = group * s->group;
    int learn = 0;
    for (long i = 0; i < s->group; i++) learn |= s->active[first + i];
    if (!learn) return 0;
    move(lane->moves, lane->moved, step, group);
    s->forward(lane->sizes, lane->forth);
    if (lane->rows) gather(s, lane);
    if (s->head(lane->of_head)) return 1;
    if (lane->rows) scatter(s, lane, 0);
    for (long i = 0; i < s->states; i++) memset(lane->arriving[i], 0, sizeof(float) * lane->arriving_sizes[i]);
    s->backward(lane->sizes, lane->back);
    if (lane->rows) scatter(s, lane, 1);
    for (long i = 0; i < s->group; i++)
        if (s->active[first + i]) s->optimizer(s->of_optimizer, first + i, lane->gradients, i, lane->row);
    return 0;
}

/* Take up to `count` steps, and end after one in which a run that learns has a loss, a gradient or an update that is not
   finite. Return how many were taken; -1 where a target of the next is no class. */
long steps(struct steps *s, long count) {
    for (long step = 0; step < count; step++) {
        long wrong = 0;
        move(s->moves, s->moved, step, 0);
        #pragma omp parallel for schedule(dynamic, 1) num_threads(s->lanes) reduction(+ : wrong) if (s->lanes > 1)
        for (long group = 0; group < s->runs / s->group; group++)
            wrong += take(s, s->lane + omp_get_thread_num(), step, group);
        if (wrong) return -1;
        const float *means = s->means + step * s->runs;
        for (long run = 0; run < s->runs; run++)
            if (s->active[run] && !(s->healthy[run] && isfinite(means[run]))) return step + 1;
    }
    return count;
}
