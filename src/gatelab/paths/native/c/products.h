/* Matrix products: c = init + a b, with b packed in panels of two vectors' width. What does the work is in products.c. */

/* Rows of a: element (m, k) is a[m * row + k * step], with strides (row, 1) or, packed, (1, ROWS). */
struct segment {
    const R *a;
    long row, step, count;
};

#if BYTES == 16 && !defined(__aarch64__)
#define ROWS 4 /* 16 registers: eight sums, two of b and one of a; wider vectors come with 16 or 32 registers */
#elif BYTES == 32
#define ROWS 4
#else
#define ROWS 8
#endif

/* What a product is made of: c (rows, vectors) = init + Σ segments · packed (depth, vectors). Where the first `begun` rows
   of packed have been summed up, without init, c holds their sums and `s` the other segments. Without init nothing is
   added. `back` takes panels from the last to the first: which step by step then finds the last ones in a cache. */
struct product {
    long rows, vectors;
    const struct segment *s;
    int segments;
    long depth, begun;
    const R *packed, *init;
    long init_row;
    R *c;
    long c_row;
    int back;
};

void product(struct product p);

/* Append the columns of some neighbouring slots as segments: one if they are not padded. */
INLINE int columns(struct segment *s, int segments, const R *a, long row, long slots, long size, long padded) {
    if (size == padded) {
        s[segments] = (struct segment){a, row, 1, slots * size};
        return segments + 1;
    }
    for (long i = 0; i < slots; i++) s[segments + i] = (struct segment){a + i * padded, row, 1, size};
    return segments + (int)slots;
}

/* Where element (k, n) of a packed matrix (depth, width) stands; n must be a multiple of LANES. */
INLINE R *packed_at(R *packed, long depth, long width, long k, long n) {
    const long panel = n / (2 * LANES) * (2 * LANES), wide = width - panel >= 2 * LANES ? 2 * LANES : LANES;
    return packed + panel * depth + k * wide + (n - panel);
}

/* Columns of b are the rows of `weight` (rows, count), from column n on; padded with zeros. */
void pack_transposed(R *packed, long depth, long width, long k, long n, const R *weight, long rows, long count);

/* Rows of b are the rows of `weight` (rows, count), from row k on; padded with zeros. */
void pack_rows(R *packed, long depth, long width, long k, const R *weight, long rows, long count);

/* Rows of a source over all steps and sequences: those of the first step may stand elsewhere. */
struct source {
    const R *first, *rest;
    long row, count;
};

#define CHUNK 256 /* rows: long enough that sums are seldom loaded and stored, short enough for the second cache */

/* gradient (Σ counts, width) = Σ over rows of source ⊗ delta, for `vectors` columns from `column` on; bias = Σ delta.
   The gradient is packed in panels, as products are: rows a whole number of pages apart would fight for cache lines.
   Rows are added up in chunks of fixed length: the order depends on sizes only. `space` holds CHUNK rows of a panel and
   of all sources, each padded to ROWS. Rows are step after step `batch` sequences, which end at their `lengths`, if any. */
void weight_gradient(const R *delta, long delta_row, long rows, long batch, const int64_t *lengths,
                     const struct source *sources, int count, long column, long vectors, R *gradient, R *bias,
                     R *space);

/* to (rows, count) = the transpose of columns n on, rows k on, of a packed gradient (depth, width) */
void unpack_gradient(R *to, const R *gradient, long depth, long width, long k, long n, long rows, long count);
