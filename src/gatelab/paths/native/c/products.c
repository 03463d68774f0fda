/* The functions of products.h, compiled once for all programs: they are half of the work of a compiler. */

#define GROUP 4 /* panels: a few rows alone are multiplied with so many at once, for enough sums in registers */

/* Without it GCC reads a vector of b from memory again for each row, and loads, not sums, take the time. */
#if defined(__x86_64__) || defined(__i386__)
#define IN_REGISTER(v) __asm__("" : "+v"(v))
#elif defined(__aarch64__)
#define IN_REGISTER(v) __asm__("" : "+w"(v))
#else
#define IN_REGISTER(v) (void)0
#endif

/* One block of `rows` times `panels` times `vectors` sums, which stay in registers; panels are `apart`. The sums of every
   element run over k in the order of the segments, whatever the block, so that results do not depend on how rows are
   divided among blocks and threads. They go on from what stands in c if sums have `begun`; init is added last, if any. */
INLINE void block_product(const int rows, const int panels, const int vectors, const struct segment *s, int segments,
                          long first, const R *b, long apart, int begun, const R *init, long init_row, R *c,
                          long c_row) {
    V sum[GROUP][ROWS][2];
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++)
#pragma GCC unroll 8
        for (int m = 0; m < rows; m++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                sum[p][m][v] = begun ? load(c + m * c_row + (2 * p + v) * LANES) : (V){0};
                if (init) __builtin_prefetch(init + m * init_row + (2 * p + v) * LANES);
            }
    for (int i = 0; i < segments; i++) {
        const long row = s[i].row, step = s[i].step, count = s[i].count;
        const R *a = s[i].a + first * row;
        for (long k = 0; k < count; k++) {
#pragma GCC unroll 4
            for (int p = 0; p < panels; p++) {
                V right[2];
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) {
                    right[v] = load(b + p * apart + v * LANES);
                    if (rows > 1) IN_REGISTER(right[v]);
                }
#pragma GCC unroll 8
                for (int m = 0; m < rows; m++) {
                    const V left = splat(a[m * row]);
#pragma GCC unroll 2
                    for (int v = 0; v < vectors; v++) sum[p][m][v] = fused(left, right[v], sum[p][m][v]);
                }
            }
            a += step;
            b += vectors * LANES;
        }
    }
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++)
#pragma GCC unroll 8
        for (int m = 0; m < rows; m++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                const long at = (2 * p + v) * LANES;
                store(c + m * c_row + at, init ? sum[p][m][v] + load(init + m * init_row + at) : sum[p][m][v]);
            }
}

#define BLOCK(rows_, panels_, vectors_)                                                                                \
    block_product(rows_, panels_, vectors_, s, segments, m, b, apart, begun, init ? init + m * init_row : 0, init_row, \
                  c + m * c_row, c_row)

/* One panel, all rows. */
#define PANEL_PRODUCT(name, vectors_)                                                                                  \
    static void name(long rows, const struct segment *s, int segments, const R *b, int begun, const R *init,           \
                     long init_row, R *c, long c_row) {                                                                \
        const long apart = 0;                                                                                          \
        long m = 0;                                                                                                    \
        for (; m + ROWS <= rows; m += ROWS) BLOCK(ROWS, 1, vectors_);                                                  \
        if (ROWS > 4 && rows - m >= 4) { BLOCK(4, 1, vectors_); m += 4; }                                              \
        if (rows - m == 3) BLOCK(3, 1, vectors_);                                                                      \
        if (rows - m == 2) BLOCK(2, 1, vectors_);                                                                      \
        if (rows - m == 1) BLOCK(1, 1, vectors_);                                                                      \
    }

PANEL_PRODUCT(by_two, 2)
PANEL_PRODUCT(by_one, 1)

/* Some panels, one or two rows from row m on. */
#define FEW_ROWS(name, rows_, panels_)                                                                                 \
    static void name(long m, const struct segment *s, int segments, const R *b, long apart, int begun, const R *init,  \
                     long init_row, R *c, long c_row) {                                                                \
        BLOCK(rows_, panels_, 2);                                                                                      \
    }

FEW_ROWS(one_row, 1, GROUP)
FEW_ROWS(two_rows, 2, GROUP / 2)

void product(struct product p) {
    const long groups = (p.vectors + 2 * GROUP - 1) / (2 * GROUP), apart = 2 * LANES * p.depth;
    for (long g = 0; g < groups; g++) {
        const long from = (p.back ? groups - 1 - g : g) * 2 * GROUP;
        const long end = from + 2 * GROUP < p.vectors ? from + 2 * GROUP : p.vectors;
        const long few = end - from == 2 * GROUP && p.rows % 4 < 3 ? p.rows % 4 : 0, whole = p.rows - few;
        for (long v = from, width; v < end; v += width) {
            width = end - v == 1 ? 1 : 2;
            const R *b = p.packed + v * LANES * p.depth + p.begun * width * LANES;
            const R *init = p.init ? p.init + v * LANES : 0;
            R *c = p.c + v * LANES;
            if (whole)
                (width == 2 ? by_two : by_one)(whole, p.s, p.segments, b, p.begun > 0, init, p.init_row, c, p.c_row);
            if (few == 1 && v == from)
                one_row(whole, p.s, p.segments, b, apart, p.begun > 0, init, p.init_row, c, p.c_row);
            if (few == 2 && (v - from) % GROUP == 0)
                two_rows(whole, p.s, p.segments, b, apart, p.begun > 0, init, p.init_row, c, p.c_row);
        }
    }
}

void pack_transposed(R *packed, long depth, long width, long k, long n, const R *weight, long rows, long count) {
    for (long j = 0; j < rows; j += LANES) {
        const long wide = packed_at(packed, depth, width, 1, n + j) - packed_at(packed, depth, width, 0, n + j);
        R *to = packed_at(packed, depth, width, k, n + j);
        for (long i = 0; i < count; i++, to += wide)
            for (long l = 0; l < LANES; l++) to[l] = j + l < rows ? weight[(j + l) * count + i] : (R)0;
    }
}

void pack_rows(R *packed, long depth, long width, long k, const R *weight, long rows, long count) {
    for (long n = 0; n < width; n += LANES) {
        const long wide = packed_at(packed, depth, width, 1, n) - packed_at(packed, depth, width, 0, n);
        const long real = count - n < LANES ? count - n : LANES;
        R *to = packed_at(packed, depth, width, k, n);
        for (long j = 0; j < rows; j++, to += wide) {
            for (long l = 0; l < real; l++) to[l] = weight[j * count + n + l];
            for (long l = real; l < LANES; l++) to[l] = 0;
        }
    }
}

/* Lay rows of a source side by side for blocks of ROWS columns: element (r, k) goes to block k / ROWS, row r. */
static void pack_source(R *to, const R *from, long row, long rows, long count) {
    for (long k = 0; k < count; k += ROWS) {
        const long wide = count - k < ROWS ? count - k : ROWS;
        if (wide == ROWS)
            for (long r = 0; r < rows; r++) memcpy(to + r * ROWS, from + r * row + k, sizeof(R) * ROWS);
        else
            for (long r = 0; r < rows; r++)
                for (long l = 0; l < wide; l++) to[r * ROWS + l] = from[r * row + k + l];
        to += rows * ROWS;
    }
}

/* Rows of packed sources at which a sequence has ended become zero: delta is zero there, but 0 times infinity is not. */
static void forget_ended(R *packed, const struct source *sources, int count, long row, long rows, const int64_t *lengths,
                         long batch) {
    long blocks = 0;
    for (int i = 0; i < count; i++) blocks += (sources[i].count + ROWS - 1) / ROWS;
    for (long r = 0; r < rows; r++)
        if ((row + r) / batch >= lengths[(row + r) % batch])
            for (long k = 0; k < blocks; k++) memset(packed + (k * rows + r) * ROWS, 0, sizeof(R) * ROWS);
}

void weight_gradient(const R *delta, long delta_row, long rows, long batch, const int64_t *lengths,
                            const struct source *sources, int count, long column, long vectors, R *gradient, R *bias,
                            R *space) {
    long depth = 0;
    R *const packed = space + CHUNK * 2 * LANES;
    for (int i = 0; i < count; i++) depth += sources[i].count;
    memset(gradient + column * depth, 0, sizeof(R) * depth * LANES * vectors);
    memset(bias + column, 0, sizeof(R) * LANES * vectors);
    for (long row = 0; row < rows;) {
        const int at_start = row < batch;
        const long end = at_start ? batch : rows, length = end - row < CHUNK ? end - row : CHUNK;
        R *to = packed;
        for (int i = 0; i < count; i++) {
            const R *from = at_start ? sources[i].first + row * sources[i].row
                                     : sources[i].rest + (row - batch) * sources[i].row;
            pack_source(to, from, sources[i].row, length, sources[i].count);
            to += (sources[i].count + ROWS - 1) / ROWS * ROWS * length;
        }
        if (lengths) forget_ended(packed, sources, count, row, length, lengths, batch);
        for (long v = 0; v < vectors; v += 2) {
            const int two = v + 1 < vectors;
            const long n = column + v * LANES;
            V sums[2] = {(V){0}, (V){0}};
            for (long r = 0; r < length; r++) {
                const R *from = delta + (row + r) * delta_row + n;
                __builtin_prefetch(from + 16 * delta_row);
                __builtin_prefetch(from + 16 * delta_row + LANES);
                for (int w = 0; w <= two; w++) {
                    V value = load(from + w * LANES);
                    sums[w] += value;
                    store(space + (r * (1 + two) + w) * LANES, value);
                }
            }
            for (int w = 0; w <= two; w++) store(bias + n + w * LANES, load(bias + n + w * LANES) + sums[w]);
            const R *a = packed;
            const long c_row = (1 + two) * LANES;
            R *c = gradient + n * depth;
            for (int i = 0; i < count; i++) {
                for (long k = 0; k < sources[i].count; k += ROWS) {
                    const long wide = sources[i].count - k < ROWS ? sources[i].count - k : ROWS;
                    const struct segment s = {a, 1, ROWS, length};
                    (two ? by_two : by_one)(wide, &s, 1, space, 0, c, c_row, c, c_row);
                    a += ROWS * length;
                    c += wide * c_row;
                }
            }
        }
        row += length;
    }
}

void unpack_gradient(R *to, const R *gradient, long depth, long width, long k, long n, long rows, long count) {
    for (long j = 0; j < rows; j += LANES) {
        const R *from = packed_at((R *)gradient, depth, width, k, n + j);
        const long wide = packed_at((R *)gradient, depth, width, 1, n + j) - packed_at((R *)gradient, depth, width, 0, n + j);
        for (long i = 0; i < count; i++, from += wide)
            for (long l = 0; l < LANES && j + l < rows; l++) to[(j + l) * count + i] = from[l];
    }
}
