/* What acts on a vector as a whole. A row of n numbers is padded to whole vectors. All runs over the row alone, in an order that
   depends on n alone. */

/* the lanes of which so many are left in a row */
INLINE M lanes_left(long left) {
    M index;
    for (int i = 0; i < (int)LANES; i++) index[i] = i;
    return index < (N)(left < LANES ? left : LANES);
}

/* Reductions, gathered by a loop: what it begins with, a vector more of which the first lanes belong to the row, the result. */

INLINE V first_sum(void) { return splat((R)0); }
INLINE V next_sum(V sums, V u, long left) { return sums + keep(lanes_left(left), u); }
INLINE R last_sum(V sums, long n) {
    R parts[BYTES / sizeof(R)];
    (void)n;
    store(parts, sums);
    for (long half = LANES / 2; half > 0; half /= 2) {
        for (long i = 0; i < half; i++) parts[i] += parts[i + half];
    }
    return parts[0];
}

INLINE V first_mean(void) { return first_sum(); }
INLINE V next_mean(V sums, V u, long left) { return next_sum(sums, u, left); }
INLINE R last_mean(V sums, long n) { return last_sum(sums, n) / (R)n; }

/* NaN where any number of the row is */
INLINE V first_largest(void) { return splat((R)-INFINITY); }
INLINE V next_largest(V most, V u, long left) {
    return larger(choose(lanes_left(left), u, most), most);
}
INLINE R last_largest(V most, long n) {
    R one = most[0];
    (void)n;
    for (long i = 1; i < LANES; i++) one = most[i] > one || most[i] != most[i] ? most[i] : one;
    return one;
}

/* Functions from a row to a row. The padding of a result is 0. */

#define ROW static __attribute__((unused)) void

/* in double precision, as PyTorch takes them */
ROW row_cumsum(R *to, const R *u, long n) {
    double total = 0;
    for (long j = n; j < PAD(n); j++) to[j] = 0;
    for (long j = 0; j < n; j++) to[j] = (R)(total += u[j]);
}

ROW row_suffix_sum(R *to, const R *u, long n) {
    double total = 0;
    for (long j = n; j < PAD(n); j++) to[j] = 0;
    for (long j = n - 1; j >= 0; j--) to[j] = (R)(total += u[j]);
}

ROW row_roll(R *to, const R *u, long n) {
    for (long j = n; j < PAD(n); j++) to[j] = 0;
    to[0] = u[n - 1];
    memcpy(to + 1, u, sizeof(R) * (n - 1));
}

ROW row_roll_back(R *to, const R *u, long n) {
    for (long j = n; j < PAD(n); j++) to[j] = 0;
    memcpy(to, u + 1, sizeof(R) * (n - 1));
    to[n - 1] = u[0];
}
