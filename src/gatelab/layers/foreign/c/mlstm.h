/* The memory of an mLSTM over all steps, forwards and backwards (layers/foreign/compiled_mlstm.py has the derivation).

   Every sequence and head is a task of its own, whose order of sums depends on the size of a head alone: the same bits with any
   number of threads and beside any neighbours. A memory is kept as M[k][v], keys by rows, so that a whole vector of values is
   decayed, written and read at once: a row is padded to whole vectors. */

#if DOUBLE
#define LOG_TINY -708.3964185322641 /* of the smallest normal number */
#else
#define LOG_TINY -87.33654475055310f
#endif

enum { SEGMENT = 16 }; /* steps between memories that are kept for the backward pass */

struct memory {
    long steps, batch, heads, size, threads, row, matrix, segments, padded;
    const R *q, *k, *v, *i_log, *f_log, *c0, *n0, *m0;
    R *h, *c, *n, *m, *kept, *scratch;
    const R *dh, *dc, *dn, *dm;
    R *dq, *dk, *dv, *di_log, *df_log, *dc0, *dn0, *dm0;
};

static struct memory opened(const long *n, void *const *p) {
    struct memory f = {.steps = n[0], .batch = n[1], .heads = n[2], .size = n[3], .threads = n[4]};
    f.row = PAD(f.size);
    f.matrix = f.size * f.row + f.row; /* and n behind it */
    f.segments = (f.steps + SEGMENT - 1) / SEGMENT;
    f.padded = PAD(f.steps);
    f.q = p[0], f.k = p[1], f.v = p[2], f.i_log = p[3], f.f_log = p[4], f.c0 = p[5], f.n0 = p[6], f.m0 = p[7];
    f.h = p[8], f.c = p[9], f.n = p[10], f.m = p[11], f.kept = p[12], f.scratch = p[13];
    f.dh = p[14], f.dc = p[15], f.dn = p[16], f.dm = p[17];
    f.dq = p[18], f.dk = p[19], f.dv = p[20], f.di_log = p[21], f.df_log = p[22], f.dc0 = p[23], f.dn0 = p[24], f.dm0 = p[25];
    return f;
}

/* numbers of what is kept for the backward pass, and of a thread's scratch */
void measure(const long *n, long *out) {
    void *none[26] = {0};
    const struct memory f = opened(n, none);
    out[0] = f.batch * f.heads * f.segments * f.matrix;
    out[1] = 6 * f.padded + (SEGMENT + 3) * f.matrix + (SEGMENT + 8) * f.row;
}

/* rows of a head at a step, copied to whole vectors */
INLINE void padded_row(R *to, const R *from, long size, long row) {
    for (long j = 0; j < size; j++) to[j] = from[j];
    for (long j = size; j < row; j++) to[j] = 0;
}

INLINE R lane_sum(V u) {
    /* halves are added as long as they are vectors */
#if BYTES == 64
    typedef R H2 __attribute__((vector_size(32)));
    typedef R H4 __attribute__((vector_size(16)));
    H2 two[2];
    memcpy(two, &u, sizeof u);
    H2 half = two[0] + two[1];
    H4 four[2];
    memcpy(four, &half, sizeof half);
    H4 last = four[0] + four[1];
#elif BYTES == 32
    typedef R H4 __attribute__((vector_size(16)));
    H4 four[2];
    memcpy(four, &u, sizeof u);
    H4 last = four[0] + four[1];
#else
    V last = u;
#endif
#if DOUBLE
    return last[0] + last[1];
#else
    return (last[0] + last[2]) + (last[1] + last[3]);
#endif
}

INLINE R dot(const R *u, const R *v, long row) {
    V sum = splat((R)0);
    for (long j = 0; j < row; j += LANES) sum += load(u + j) * load(v + j);
    return lane_sum(sum);
}

INLINE void each_exponential(R *values, long count) {
    for (long j = 0; j < count; j += LANES) store(values + j, exponential(load(values + j)));
}

/* The numbers of every step that need no matrix. i, f: the gates; least: what the divisor is at least; shrunk: exp(min(m, 0)). */
static void gates(const struct memory *f, long task, R *i, R *g, R *least, R *shrunk, R *m, R *kept) {
    const long stride = f->batch * f->heads;
    const R most = (R)-LOG_TINY;
    R before = f->m0[task];
    for (long t = 0; t < f->steps; t++) {
        const R from = f->f_log[t * stride + task] + before, into = f->i_log[t * stride + task];
        const R now = from > into || from != from ? from : into;
        m[t] = before = now;
        kept[t] = from;
        i[t] = into - now;
        g[t] = from - now;
        shrunk[t] = now > 0 ? (R)0 : now;
        least[t] = -(now < 0 ? (R)0 : now > most ? most : now);
    }
    for (long t = f->steps; t < f->padded; t++) i[t] = g[t] = shrunk[t] = least[t] = 0;
    each_exponential(i, f->padded);
    each_exponential(g, f->padded);
    each_exponential(shrunk, f->padded);
    each_exponential(least, f->padded);
}

/* M = decay * M + write * k v, for n as well; with q, what is read of the new M, in four sums that do not wait for each other */
INLINE void written(R *to, const R *from, const R *restrict k, const R *restrict v, const R *restrict q, R *restrict read, R write,
                    R decay, long size, long row) {
    const V keeping = splat(decay), part = splat(write);
    for (long j = 0; j < row; j += LANES) {
        const V value = load(v + j) * part;
        V sums[4] = {{0}, {0}, {0}, {0}};
        const R *old = from + j;
        R *fresh = to + j;
        long a = 0;
        for (; a + 4 <= size; a += 4) {
#pragma GCC unroll 4
            for (long b = 0; b < 4; b++) {
                const V now = keeping * load(old + b * row) + splat(k[a + b]) * value;
                store(fresh + b * row, now);
                sums[b] += splat(q[a + b]) * now;
            }
            old += 4 * row, fresh += 4 * row;
        }
        for (; a < size; a++, old += row, fresh += row) {
            const V now = keeping * load(old) + splat(k[a]) * value;
            store(fresh, now);
            sums[0] += splat(q[a]) * now;
        }
        store(read + j, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
    const R *n = from + size * row;
    for (long j = 0; j < row; j += LANES) store(to + size * row + j, keeping * load(n + j) + part * load(k + j));
}

/* from (head, v, k) to rows of keys, and back */
static void gathered(R *to, const R *c, const R *n, long size, long row) {
    memset(to, 0, sizeof(R) * (size * row + row));
    for (long a = 0; a < size; a++) {
        for (long j = 0; j < size; j++) to[a * row + j] = c ? c[j * size + a] : 0;
        to[size * row + a] = n ? n[a] : 0;
    }
}

static void spread(R *c, R *n, const R *from, long size, long row) {
    for (long a = 0; a < size; a++) {
        for (long j = 0; j < size; j++) c[j * size + a] = from[a * row + j];
        n[a] = from[size * row + a];
    }
}

/* |w| shrunk and the least, NaN where either is, as torch.maximum */
INLINE R divisor_of(R weight, R shrunk, R least) {
    const R size = (weight < 0 ? -weight : weight) * shrunk;
    return size > least || size != size ? size : least;
}

static void forward_task(const struct memory *f, long task, R *space) {
    const long size = f->size, row = f->row, stride = f->batch * f->heads;
    R *i = space, *g = i + f->padded, *least = g + f->padded, *shrunk = least + f->padded, *m = shrunk + f->padded;
    R *from = m + f->padded, *memory = from + f->padded, *q = memory + f->matrix, *k = q + row, *v = k + row, *read = v + row;
    gates(f, task, i, g, least, shrunk, m, from);
    gathered(memory, f->c0 + task * size * size, f->n0 + task * size, size, row);
    for (long t = 0; t < f->steps; t++) {
        const long at = (t * stride + task) * size;
        if (f->kept && t % SEGMENT == 0) {
            memcpy(f->kept + (task * f->segments + t / SEGMENT) * f->matrix, memory, sizeof(R) * f->matrix);
        }
        padded_row(q, f->q + at, size, row);
        padded_row(k, f->k + at, size, row);
        padded_row(v, f->v + at, size, row);
        written(memory, memory, k, v, q, read, i[t], g[t], size, row);
        const R scale = shrunk[t] / divisor_of(dot(memory + size * row, q, row), shrunk[t], least[t]);
        for (long j = 0; j < size; j++) f->h[at + j] = read[j] * scale;
        f->m[t * stride + task] = m[t];
    }
    spread(f->c + task * size * size, f->n + task * size, memory, size, row);
}

/* One step back. d: the adjoint of the memory after the step, and then before it. Returns the adjoint of m before the step. */
INLINE R step_back(const struct memory *f, long task, long t, const R *before, const R *after, R *d, R arriving, const R *i,
                   const R *g, const R *least, const R *shrunk, const R *m, const R *from, const R *read, R *rows) {
    const long size = f->size, row = f->row, stride = f->batch * f->heads, at = (t * stride + task) * size;
    R *restrict q = rows, *restrict k = q + row, *restrict v = k + row, *restrict dh = v + row, *restrict dv = dh + row;
    padded_row(q, f->q + at, size, row);
    padded_row(k, f->k + at, size, row);
    padded_row(v, f->v + at, size, row);
    if (f->dh) padded_row(dh, f->dh + at, size, row);
    else memset(dh, 0, sizeof(R) * row);
    const R *n = after + size * row, *n_before = before + size * row;
    R *dn = d + size * row;
    const R weight = dot(n, q, row), bulk = (weight < 0 ? -weight : weight) * shrunk[t];
    const R divisor = divisor_of(weight, shrunk[t], least[t]), scale = shrunk[t] / divisor;
    const R dscale = dot(dh, read, row), ddivisor = -dscale * scale / divisor;
    const R dbulk = bulk > least[t] ? ddivisor : bulk == least[t] ? ddivisor / 2 : 0, dleast = ddivisor - dbulk;
    const R dweight = dbulk * shrunk[t] * (R)((weight > 0) - (weight < 0));
    const R dshrunk = dscale / divisor + dbulk * (weight < 0 ? -weight : weight);
    R dm = arriving;
    if (f->dm) dm += f->dm[t * stride + task];
    if (m[t] <= 0) dm += dshrunk * shrunk[t];
    if (m[t] >= 0 && m[t] <= (R)-LOG_TINY) dm -= dleast * least[t];

    const V keeping = splat(g[t]), reading = splat(scale);
    V decay = splat((R)0), write = splat((R)0);
    for (long j = 0; j < row; j += LANES) {
        store(dh + j, load(dh + j) * reading); /* of what was read */
        store(dn + j, load(dn + j) + splat(dweight) * load(q + j));
        decay += load(dn + j) * load(n_before + j);
        write += load(dn + j) * load(k + j);
        store(dv + j, splat((R)0));
    }
    for (long a = 0; a < size; a++) {
        V of_q = splat((R)0), of_k = splat((R)0);
        const V key = splat(k[a]), query = splat(q[a]);
        for (long j = 0; j < row; j += LANES) {
            const V read_here = load(dh + j);
            const V here = load(d + a * row + j) + query * read_here;
            of_q += load(after + a * row + j) * read_here;
            of_k += here * load(v + j);
            decay += here * load(before + a * row + j);
            store(dv + j, load(dv + j) + key * here);
            store(d + a * row + j, here * keeping);
        }
        f->dq[at + a] = lane_sum(of_q) + dweight * n[a];
        f->dk[at + a] = i[t] * (lane_sum(of_k) + dn[a]);
    }
    for (long j = 0; j < row; j += LANES) {
        write += load(v + j) * load(dv + j);
        store(dn + j, load(dn + j) * keeping);
    }
    for (long j = 0; j < size; j++) f->dv[at + j] = i[t] * dv[j];

    const R of_f = lane_sum(decay) * g[t], of_i = lane_sum(write) * i[t];
    dm -= of_f + of_i;
    const R into = f->i_log[t * stride + task];
    const R share = from[t] > into ? 1 : from[t] == into ? (R)0.5 : 0;
    const R dfrom = of_f + share * dm;
    f->di_log[t * stride + task] = of_i + (1 - share) * dm;
    f->df_log[t * stride + task] = dfrom;
    return dfrom;
}

static void backward_task(const struct memory *f, long task, R *space) {
    const long size = f->size, row = f->row, stride = f->batch * f->heads;
    R *i = space, *g = i + f->padded, *least = g + f->padded, *shrunk = least + f->padded, *m = shrunk + f->padded;
    R *from = m + f->padded, *d = from + f->padded, *memories = d + f->matrix, *reads = memories + (SEGMENT + 1) * f->matrix;
    R *rows = reads + SEGMENT * f->row;
    gates(f, task, i, g, least, shrunk, m, from);
    gathered(d, f->dc ? f->dc + task * size * size : 0, f->dn ? f->dn + task * size : 0, size, row);
    R dm = 0;
    for (long part = f->segments - 1; part >= 0; part--) {
        const long first = part * SEGMENT, end = first + SEGMENT < f->steps ? first + SEGMENT : f->steps;
        memcpy(memories, f->kept + (task * f->segments + part) * f->matrix, sizeof(R) * f->matrix);
        for (long t = first; t < end; t++) {
            const long at = (t * stride + task) * size;
            R *now = memories + (t - first) * f->matrix, *k = rows, *v = k + row, *q = v + row;
            padded_row(k, f->k + at, size, row);
            padded_row(v, f->v + at, size, row);
            padded_row(q, f->q + at, size, row);
            written(now + f->matrix, now, k, v, q, reads + (t - first) * row, i[t], g[t], size, row);
        }
        for (long t = end - 1; t >= first; t--) {
            const R *before = memories + (t - first) * f->matrix;
            dm = step_back(f, task, t, before, before + f->matrix, d, dm, i, g, least, shrunk, m, from,
                           reads + (t - first) * row, rows);
        }
    }
    spread(f->dc0 + task * size * size, f->dn0 + task * size, d, size, row);
    f->dm0[task] = dm;
}

#define FOR_ALL_TASKS(of_task)                                                                                                \
    const struct memory memory = opened(n, p), *f = &memory;                                                                  \
    long sizes[2];                                                                                                            \
    measure(n, sizes);                                                                                                        \
    _Pragma("omp parallel for schedule(dynamic, 1) num_threads(f->threads) if (f->threads > 1)")                              \
    for (long task = 0; task < f->batch * f->heads; task++) of_task(f, task, f->scratch + omp_get_thread_num() * sizes[1]);

void forward(const long *n, void *const *p) { FOR_ALL_TASKS(forward_task) }
void backward(const long *n, void *const *p) { FOR_ALL_TASKS(backward_task) }
