/* Many of numpy's generators at once: SeedSequence, Philox 4x64-10, and the numbers that Generator makes of its words.

   Sources: O'Neill 2015, "Developing a seed_seq Alternative"; Salmon et al. 2011, "Parallel random numbers: as easy as
   1, 2, 3"; Lemire 2019, "Fast random integer generation in an interval". */
#include <stdint.h>

struct stream {
    uint64_t key[2], block, words[4];
    uint32_t place, has_half, half;
};

static uint32_t hashed(uint32_t value, uint32_t *constant, uint32_t factor) {
    value ^= *constant;
    *constant *= factor;
    value *= *constant;
    return value ^ value >> 16;
}

static uint32_t mixed(uint32_t x, uint32_t y) {
    const uint32_t both = 0xca01f9ddu * x - 0x4973f715u * y;
    return both ^ both >> 16;
}

static int words_of(uint64_t number, uint32_t *to) {
    to[0] = (uint32_t)number;
    to[1] = (uint32_t)(number >> 32);
    return to[1] ? 2 : 1;
}

/* The stream of SeedSequence([seed, purpose, index]). */
static void begin(struct stream *s, uint64_t seed, uint32_t purpose, uint64_t index) {
    uint32_t entropy[6] = {0}, pool[4], constant = 0x43b0d7e5u, state[4];
    int count = words_of(seed, entropy);
    entropy[count++] = purpose;
    count += words_of(index, entropy + count);
    for (int i = 0; i < 4; i++) pool[i] = hashed(i < count ? entropy[i] : 0, &constant, 0x931e8875u);
    for (int from = 0; from < 4; from++)
        for (int to = 0; to < 4; to++)
            if (from != to) pool[to] = mixed(pool[to], hashed(pool[from], &constant, 0x931e8875u));
    for (int from = 4; from < count; from++)
        for (int to = 0; to < 4; to++) pool[to] = mixed(pool[to], hashed(entropy[from], &constant, 0x931e8875u));
    constant = 0x8b51f9ddu;
    for (int i = 0; i < 4; i++) state[i] = hashed(pool[i], &constant, 0x58f38dedu);
    for (int i = 0; i < 2; i++) s->key[i] = state[2 * i] | (uint64_t)state[2 * i + 1] << 32;
    s->block = 0;
    s->place = 4;
    s->has_half = 0;
}

static void next_block(struct stream *s) {
    uint64_t c[4] = {++s->block, 0, 0, 0}, key[2] = {s->key[0], s->key[1]};
    for (int round = 0; round < 10; round++) {
        const unsigned __int128 a = (unsigned __int128)0xD2E7470EE14C6C93u * c[0];
        const unsigned __int128 b = (unsigned __int128)0xCA5A826395121157u * c[2];
        const uint64_t first = (uint64_t)(b >> 64) ^ c[1] ^ key[0], third = (uint64_t)(a >> 64) ^ c[3] ^ key[1];
        c[0] = first;
        c[1] = (uint64_t)b;
        c[2] = third;
        c[3] = (uint64_t)a;
        key[0] += 0x9E3779B97F4A7C15u;
        key[1] += 0xBB67AE8584CAA73Bu;
    }
    for (int i = 0; i < 4; i++) s->words[i] = c[i];
    s->place = 0;
}

static inline uint64_t word(struct stream *s) {
    if (s->place == 4) next_block(s);
    return s->words[s->place++];
}

static inline uint32_t half(struct stream *s) {
    if (s->has_half) {
        s->has_half = 0;
        return s->half;
    }
    const uint64_t both = word(s);
    s->has_half = 1;
    s->half = (uint32_t)(both >> 32);
    return (uint32_t)both;
}

long size(void) { return sizeof(struct stream); }

void start(long streams, struct stream *s, const uint64_t *seeds, uint32_t purpose, const uint64_t *indices) {
    for (long i = 0; i < streams; i++) begin(s + i, seeds[i], purpose, indices[i]);
}

/* `count` numbers of each stream, uniform in [0, 1) */
void floats(long streams, struct stream *s, long count, float *out) {
    for (long i = 0; i < streams; i++)
        for (long k = 0; k < count; k++) *out++ = (half(s + i) >> 8) * (1.0f / 16777216.0f);
}

void doubles(long streams, struct stream *s, long count, double *out) {
    for (long i = 0; i < streams; i++)
        for (long k = 0; k < count; k++) *out++ = (word(s + i) >> 11) * (1.0 / 9007199254740992.0);
}

/* `count` whole numbers of each stream, from `low` to `low + range`, both included; range is below 2^32 - 1 */
void integers(long streams, struct stream *s, long count, int64_t low, uint32_t range, int64_t *out) {
    const uint32_t wide = range + 1, rest = (UINT32_MAX - range) % wide;
    for (long i = 0; i < streams; i++)
        for (long k = 0; k < count; k++) {
            uint64_t product = 0;
            if (range) {
                product = (uint64_t)half(s + i) * wide;
                if ((uint32_t)product < wide)
                    while ((uint32_t)product < rest) product = (uint64_t)half(s + i) * wide;
            }
            *out++ = low + (int64_t)(product >> 32);
        }
}
