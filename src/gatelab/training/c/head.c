/* The readout of a stack and its loss, forwards and backwards in one pass: what the products and functions before this text
   are for.

   A run's numbers depend on its own rows alone, in their order, so they are the same in every stack and on any number of
   threads. */

enum { SQUARED, LOGISTIC_SQUARED, CROSS_ENTROPY, SET_CROSS_ENTROPY, SET_SQUARED, CLASS_SQUARED };

struct head {
    long runs, count, features, outputs, kind, threads;
    const R *weight, *bias; /* (runs, outputs, features) and (runs, outputs), or no bias */
    R *dweight, *dbias;
    R *space;           /* `head_space` numbers for each thread */
    const R *row;       /* (runs, count, features) */
    R *adjoint;         /* of the rows, padded to whole vectors */
    const void *target; /* (runs, count) whole numbers for classes, (runs, count, outputs) numbers otherwise */
    const R *share;     /* (runs, count): weights of the predictions; one without weight does not enter, even if it is NaN */
    const R *divisors;  /* (runs,): by what the sum is divided, 0 for the sum of the weights; or none */
    R *mean;            /* (runs,): the losses */
};

long head_lanes(void) { return LANES; }

/* Numbers that one thread needs. */
long head_space(const struct head *h) {
    const long wide = PAD(h->outputs), deep = PAD(h->features);
    return h->count * wide + 2 * h->features * wide + 2 * wide + h->outputs * deep +
           CHUNK * (2 * LANES + deep + ROWS) + 8 * LANES;
}

/* The loss of one prediction; its derivative, times `factor`, replaces the outputs. */
INLINE double loss_of(const struct head *h, R *outputs, const R *numbers, long class, R factor) {
    const long n = h->outputs, kind = h->kind;
    if (kind == CROSS_ENTROPY) {
        V most = first_largest(), sums = first_sum();
        for (long j = 0; j < n; j += LANES) most = next_largest(most, load(outputs + j), n - j);
        const R largest = last_largest(most, n), of_class = outputs[class];
        for (long j = 0; j < n; j += LANES) {
            const V e = keep(lanes_left(n - j), exponential(load(outputs + j) - splat(largest)));
            sums += e;
            store(outputs + j, e);
        }
        const R sum = last_sum(sums, n);
        for (long j = 0; j < n; j += LANES) store(outputs + j, load(outputs + j) / splat(sum) * splat(factor));
        outputs[class] -= factor;
        return (double)logarithm(splat(sum))[0] - ((double)of_class - (double)largest);
    }
    V sums = first_sum();
    for (long j = 0; j < n; j += LANES) {
        const V u = load(outputs + j), squashed = logistic(u);
        V wanted = {0};
        if (kind == CLASS_SQUARED) {
            if (class - j >= 0 && class - j < LANES) wanted[class - j] = 1;
        } else
            for (long l = 0; l < LANES && j + l < n; l++) wanted[l] = numbers[j + l];
        V loss, slope;
        if (kind == SQUARED) {
            const V error = u - wanted;
            loss = error * error, slope = error * (R)2;
        } else if (kind == SET_CROSS_ENTROPY) {
            loss = larger(u, (V){0}) - u * wanted + log_of_one_plus(exp_below(-magnitude(u)));
            slope = squashed - wanted;
        } else {
            const V error = squashed - wanted, along = error * squashed * ((R)1 - squashed);
            loss = error * error, slope = along * (R)2;
            if (kind != LOGISTIC_SQUARED) loss = loss * (R)0.5, slope = along;
        }
        sums = next_sum(sums, loss, n - j);
        store(outputs + j, keep(lanes_left(n - j), slope * splat(factor)));
    }
    return last_sum(sums, n);
}

static long run_head(const struct head *h, long run, R *space) {
    NO_SUBNORMALS;
    const long n = h->outputs, wide = PAD(n), deep = PAD(h->features), whole = h->count, features = h->features;
    R *outputs = space, *packed = outputs + whole * wide, *bias = packed + features * wide, *back = bias + wide;
    R *gradient = back + n * deep, *of_bias = gradient + features * wide, *rest = of_bias + wide;
    const R *row = h->row + run * whole * features, *weight = h->weight + run * n * features, *share = h->share + run * whole;
    R *adjoint = h->adjoint + run * whole * deep;
    /* after the last weight stand the steps in which other runs alone have a sequence */
    long count = whole;
    while (count > 1 && share[count - 1] == 0) count--;
    memset(adjoint + count * deep, 0, sizeof(R) * (whole - count) * deep);
    memset(bias, 0, sizeof(R) * wide);
    if (h->bias) memcpy(bias, h->bias + run * n, sizeof(R) * n);
    pack_transposed(packed, features, wide, 0, 0, weight, n, features);
    const struct segment rows = {row, features, 1, features};
    product((struct product){count, wide / LANES, &rows, 1, features, 0, packed, bias, 0, outputs, wide, 0});

    const int classes = h->kind == CROSS_ENTROPY || h->kind == CLASS_SQUARED;
    const int64_t *class = (const int64_t *)h->target + run * whole;
    const R *numbers = (const R *)h->target + run * whole * n;
    double total = h->divisors ? h->divisors[run] : 0, sum = 0;
    if (!(total > 0)) {
        total = 0;
        for (long r = 0; r < count; r++) total += share[r];
    }
    for (long r = 0; r < count; r++) {
        R *own = outputs + r * wide;
        if (share[r] == 0) {
            memset(own, 0, sizeof(R) * wide);
            continue;
        }
        if (classes && (class[r] < 0 || class[r] >= n)) return 1;
        sum += loss_of(h, own, numbers + r * n, classes ? class[r] : 0, (R)(share[r] / total)) * share[r];
    }
    h->mean[run] = (R)(sum / total);

    pack_rows(back, n, deep, 0, weight, n, features);
    const struct segment deltas = {outputs, wide, 1, n};
    product((struct product){count, deep / LANES, &deltas, 1, n, 0, back, 0, 0, adjoint, deep, 0});
    const struct source source = {row, row, features, features};
    weight_gradient(outputs, wide, count, count, 0, &source, 1, 0, wide / LANES, gradient, of_bias, rest);
    unpack_gradient(h->dweight + run * n * features, gradient, features, wide, 0, 0, n, features);
    if (h->bias) memcpy(h->dbias + run * n, of_bias, sizeof(R) * n);
    return 0;
}

/* Return in how many runs a target is no class. */
long head(const struct head *h) {
    const long each = head_space(h);
    long wrong = 0;
    #pragma omp parallel for schedule(static) num_threads(h->threads) reduction(+ : wrong) if (h->threads > 1 && h->runs > 1)
    for (long run = 0; run < h->runs; run++) wrong += run_head(h, run, h->space + omp_get_thread_num() * each);
    return wrong;
}
