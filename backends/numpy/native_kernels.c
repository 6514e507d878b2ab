/* The loop over time of a recurrent layer, forward and backward, in float32.

   A recurrent matrix is packed once per pass, in the order in which the loop reads it: block by block of hidden units,
   the columns of all gates of a block next to each other. Each step multiplies one block, kept in registers and the
   first cache, and does the block's element-wise work at once, while its products are still in that cache: the plan of
   Georganas et al. 2019, "High-performance deep learning via a single building block" (arXiv:1906.06440). A general
   BLAS packs the matrix again in each of its 2T products.

   Arrays are as backends/numpy/cells.py has them, in C order: a, da (T, B, G*H); hs, cs (T+1, B, H); d_hs, tanh_c, u_n,
   rh (T, B, H). The equations, one a line, are in backends/reference.py. A forward function starts at the state in row
   0; where that is zero, `from_zero` saves a product. A function gives 0, or 1 where it finds no memory for its scratch
   space, of which nothing outlives the call: threads may call at the same time. */

#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16
#define ROWS 12 /* of a strip: two vectors of sums for each fill the registers, with room for one row's operands */
#elif defined(__AVX__)
#define LANES 8
#define ROWS 6
#else
#define LANES 4
#define ROWS 6
#endif
#define WIDTH (2 * LANES) /* hidden units of a block; the last one has LANES of them where that is enough */
#define DEPTH 512         /* rows of a block's matrix that stay in the first cache while all sequences pass */

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define MIN(x, y) ((x) < (y) ? (x) : (y))

/* tanh to a few units in the last place of float32: Eigen's rational function. A nan stays one. */
INLINE float tanh_(float x)
{
    const float limit = 7.90531110763549805f;
    x = x < -limit ? -limit : x;
    x = x > limit ? limit : x;
    const float s = x * x;
    float p = -2.76076847742355e-16f;
    p = p * s + 2.00018790482477e-13f;
    p = p * s + -8.60467152213735e-11f;
    p = p * s + 5.12229709037114e-08f;
    p = p * s + 1.48572235717979e-05f;
    p = p * s + 6.37261928875436e-04f;
    p = p * s + 4.89352455891786e-03f;
    float q = 1.19825839466702e-06f;
    q = q * s + 1.18534705686654e-04f;
    q = q * s + 2.26843463243900e-03f;
    q = q * s + 4.89352518554385e-03f;
    return x * p / q;
}

INLINE float sigmoid_(float x) { return 0.5f * tanh_(0.5f * x) + 0.5f; }

/* ---- products ---- */

/* Units in the block that starts at `unit`, those that only fill it up included. */
INLINE long width_at(long unit, long H) { return H - unit <= LANES ? LANES : WIDTH; }

int lanes(void) { return LANES; }

/* Floats of a packed matrix that has K rows and H columns for each of G gates. */
long packed_size(long K, long H, long G)
{
    long columns = 0;
    for (long unit = 0; unit < H; unit += WIDTH) columns += width_at(unit, H);
    return K * G * columns;
}

/* The matrix whose element (k, gate, unit) is W[k*by_k + (gate*H + unit)*by_unit], packed: blocks, in them gates, in
   them rows. */
void pack(const float *W, long K, long H, long G, long by_k, long by_unit, float *packed)
{
    for (long unit = 0; unit < H; unit += WIDTH) {
        const long width = width_at(unit, H), n = MIN(width, H - unit);
        for (long gate = 0; gate < G; gate++, packed += K * width) {
            const float *from = W + (gate * H + unit) * by_unit;
            if (n < width) memset(packed, 0, sizeof(float) * K * width);
            if (by_unit == 1)
                for (long k = 0; k < K; k++) memcpy(packed + k * width, from + k * by_k, sizeof(float) * n);
            else
                for (long start = 0; start < K; start += LANES) /* a few rows at once, which share cache lines */
                    for (long j = 0; j < n; j++)
                        for (long k = start; k < MIN(K, start + LANES); k++)
                            packed[k * width + j] = from[k * by_k + j * by_unit];
        }
    }
}

/* out (rows, vectors*LANES) (+)= x (rows, K) @ packed (K, vectors*LANES); the sums stay in registers. */
INLINE void strip(const int rows, const int vectors, const float *x, long x_stride, const float *packed, long K,
                  float *out, int add, const char *next, long by_row)
{
    vec sum[ROWS][2];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[i][v] = add ? *(const vec *)(out + (i * vectors + v) * LANES) : (vec){0};
    for (long k = 0; k < K; k++, packed += vectors * LANES, next += by_row) {
        __builtin_prefetch(next);
        const vec w0 = *(const vec *)packed, w1 = vectors > 1 ? *(const vec *)(packed + LANES) : w0;
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const vec each = x[i * x_stride + k] - (vec){0};
            sum[i][0] += each * w0;
            if (vectors > 1) sum[i][1] += each * w1;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) *(vec *)(out + (i * vectors + v) * LANES) = sum[i][v];
}

#define CASE(rows)                                                                                                     \
    case rows:                                                                                                         \
        if (vectors == 2) strip(rows, 2, x, x_stride, packed, K, out, add, next, by_row);                              \
        else strip(rows, 1, x, x_stride, packed, K, out, add, next, by_row);                                           \
        break;

static void any_strip(int rows, int vectors, const float *x, long x_stride, const float *packed, long K, float *out,
                      int add, const char *next, long by_row)
{
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if ROWS > 6
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
    }
}

/* out (B, width) = x (B, K) @ packed (K, width). What comes after the rows in use is fetched meanwhile, spread evenly
   over the work on them: the packed matrix may be larger than the second cache. */
static void product(const float *x, long B, long K, const float *packed, long width, float *out)
{
    const long strips = (B + ROWS - 1) / ROWS, by_row = sizeof(float) * width / strips;
    for (long k = 0; k < K; k += DEPTH) {
        const long depth = MIN(DEPTH, K - k);
        const float *rows = packed + k * width;
        for (long s = 0; s < strips; s++) {
            const long b = s * B / strips, end = (s + 1) * B / strips;
            any_strip(end - b, width / LANES, x + b * K + k, K, rows, depth, out + b * width, k > 0,
                      (const char *)(rows + depth * width) + s * depth * by_row, by_row);
        }
    }
}

/* Runs the loops over j with the number of units, `n`, as a constant where the block is full: compilers make better
   code of it. */
#define FOR_UNITS(...)                                                                                                 \
    if (units == WIDTH) { enum { n = WIDTH }; __VA_ARGS__ }                                                            \
    else { const long n = units; __VA_ARGS__ }

/* A loop over the units of a block, none of which reads what another writes. */
#if defined(__clang__)
#define EACH_UNIT _Pragma("clang loop vectorize(assume_safety)") for (long j = 0; j < n; j++)
#else
#define EACH_UNIT _Pragma("GCC ivdep") _Pragma("GCC unroll 1") for (long j = 0; j < n; j++)
#endif

/* The blocks of hidden units: `unit` is the first one's index, `units` how many are real, `width` how many are
   packed. */
#define FOR_BLOCKS(packed, of_block)                                                                                   \
    for (long unit = 0, width = width_at(0, H), units = MIN(width, H); unit < H;                                       \
         packed += (of_block) * width, unit += WIDTH, width = width_at(unit, H), units = MIN(width, H - unit))

/* ---- plain recurrent network ---- */

int rnn_forward(long T, long B, long H, int from_zero, const float *U, const float *a, float *hs)
{
    float *u = calloc(B * WIDTH, sizeof(float));
    if (!u) return 1;
    for (long t = 0; t < T; t++) {
        const float *panel = U;
        FOR_BLOCKS(panel, H) {
            if (t || !from_zero) product(hs + t * B * H, B, H, panel, width, u);
            for (long b = 0; b < B; b++) {
                const float *ub = u + b * width, *x = a + (t * B + b) * H + unit;
                float *h = hs + ((t + 1) * B + b) * H + unit;
                FOR_UNITS(EACH_UNIT h[j] = tanh_(x[j] + ub[j]);)
            }
        }
    }
    free(u);
    return 0;
}

int rnn_backward(long T, long B, long H, const float *W, const float *d_hs, const float *hs, float *da)
{
    float *dh = calloc(B * WIDTH, sizeof(float));
    if (!dh) return 1;
    for (long t = T - 1; t >= 0; t--) {
        const float *panel = W;
        FOR_BLOCKS(panel, H) {
            if (t < T - 1) product(da + (t + 1) * B * H, B, H, panel, width, dh);
            for (long b = 0; b < B; b++) {
                const long at = (t * B + b) * H + unit;
                const float *d = dh + b * width, *d_out = d_hs + at, *h = hs + at + B * H;
                float *d_a = da + at;
                FOR_UNITS(EACH_UNIT d_a[j] = (d[j] + d_out[j]) * (1 - h[j] * h[j]);)
            }
        }
    }
    free(dh);
    return 0;
}

/* ---- LSTM; gates i, f, g, o ---- */

int lstm_forward(long T, long B, long H, int from_zero, const float *U, float *a, float *hs, float *cs, float *tanh_c)
{
    float *u = calloc(4 * B * WIDTH, sizeof(float));
    if (!u) return 1;
    for (long t = 0; t < T; t++) {
        const float *panel = U;
        FOR_BLOCKS(panel, 4 * H) {
            for (long gate = 0; (t || !from_zero) && gate < 4; gate++)
                product(hs + t * B * H, B, H, panel + gate * H * width, width, u + gate * B * width);
            for (long b = 0; b < B; b++) {
                const float *ui = u + b * width, *uf = ui + B * width, *ug = uf + B * width, *uo = ug + B * width;
                const long at = (t * B + b) * H + unit;
                float *i = a + (t * B + b) * 4 * H + unit, *f = i + H, *g = f + H, *o = g + H;
                const float *c = cs + at;
                float *c_next = cs + at + B * H, *h = hs + at + B * H, *y = tanh_c + at;
                FOR_UNITS(
                    EACH_UNIT i[j] = sigmoid_(i[j] + ui[j]);
                    EACH_UNIT f[j] = sigmoid_(f[j] + uf[j]);
                    EACH_UNIT g[j] = tanh_(g[j] + ug[j]);
                    EACH_UNIT o[j] = sigmoid_(o[j] + uo[j]);
                    EACH_UNIT c_next[j] = f[j] * c[j] + i[j] * g[j];
                    EACH_UNIT y[j] = tanh_(c_next[j]);
                    EACH_UNIT h[j] = o[j] * y[j];)
            }
        }
    }
    free(u);
    return 0;
}

int lstm_backward(long T, long B, long H, const float *W, const float *d_hs, const float *a, float *da, const float *cs,
                  const float *tanh_c)
{
    float *dh = calloc(B * (WIDTH + H), sizeof(float)), *dc = dh + B * WIDTH;
    if (!dh) return 1;
    for (long t = T - 1; t >= 0; t--) {
        const float *panel = W;
        FOR_BLOCKS(panel, 4 * H) {
            if (t < T - 1) product(da + (t + 1) * B * 4 * H, B, 4 * H, panel, width, dh);
            for (long b = 0; b < B; b++) {
                const long at = (t * B + b) * H + unit, gates = (t * B + b) * 4 * H + unit;
                const float *i = a + gates, *f = i + H, *g = f + H, *o = g + H;
                float *d_i = da + gates, *d_f = d_i + H, *d_g = d_f + H, *d_o = d_g + H, *d_c = dc + b * H + unit;
                const float *d = dh + b * width, *d_out = d_hs + at, *y = tanh_c + at, *c = cs + at;
                FOR_UNITS(
                    EACH_UNIT {
                        const float by_h = d[j] + d_out[j], by_c = d_c[j] + by_h * o[j] * (1 - y[j] * y[j]);
                        d_o[j] = by_h * y[j] * o[j] * (1 - o[j]);
                        d_i[j] = by_c * g[j] * i[j] * (1 - i[j]);
                        d_f[j] = by_c * c[j] * f[j] * (1 - f[j]);
                        d_g[j] = by_c * i[j] * (1 - g[j] * g[j]);
                        d_c[j] = by_c * f[j];
                    })
            }
        }
    }
    free(dh);
    return 0;
}

/* ---- GRU; gates r, z, n; reset after the recurrent product ---- */

int gru_forward(long T, long B, long H, int from_zero, const float *U, const float *bias, float *a, float *hs,
                float *u_n)
{
    float *u = calloc(3 * B * WIDTH, sizeof(float));
    if (!u) return 1;
    for (long t = 0; t < T; t++) {
        const float *panel = U;
        FOR_BLOCKS(panel, 3 * H) {
            for (long gate = 0; (t || !from_zero) && gate < 3; gate++)
                product(hs + t * B * H, B, H, panel + gate * H * width, width, u + gate * B * width);
            const float *b_r = bias + unit, *b_z = b_r + H, *b_n = b_z + H;
            for (long b = 0; b < B; b++) {
                const float *ur = u + b * width, *uz = ur + B * width, *un = uz + B * width;
                const long at = (t * B + b) * H + unit;
                float *r = a + (t * B + b) * 3 * H + unit, *z = r + H, *m = z + H, *kept = u_n + at;
                const float *h = hs + at;
                float *h_next = hs + at + B * H;
                FOR_UNITS(
                    EACH_UNIT r[j] = sigmoid_(r[j] + ur[j] + b_r[j]);
                    EACH_UNIT z[j] = sigmoid_(z[j] + uz[j] + b_z[j]);
                    EACH_UNIT kept[j] = un[j] + b_n[j];
                    EACH_UNIT m[j] = tanh_(m[j] + r[j] * kept[j]);
                    EACH_UNIT h_next[j] = m[j] + z[j] * (h[j] - m[j]);)
            }
        }
    }
    free(u);
    return 0;
}

int gru_backward(long T, long B, long H, const float *W, const float *d_hs, const float *a, float *da, float *da_h,
                 const float *hs, const float *u_n)
{
    float *dh = calloc(B * (WIDTH + H), sizeof(float)), *left = dh + B * WIDTH; /* left: not through the product */
    if (!dh) return 1;
    for (long t = T - 1; t >= 0; t--) {
        const float *panel = W;
        FOR_BLOCKS(panel, 3 * H) {
            if (t < T - 1) product(da_h + (t + 1) * B * 3 * H, B, 3 * H, panel, width, dh);
            for (long b = 0; b < B; b++) {
                const long at = (t * B + b) * H + unit, gates = (t * B + b) * 3 * H + unit;
                const float *r = a + gates, *z = r + H, *m = z + H, *u = u_n + at, *h = hs + at;
                float *d_r = da + gates, *d_z = d_r + H, *d_n = d_z + H, *passed = left + b * H + unit;
                float *d_rh = da_h + gates, *d_zh = d_rh + H, *d_nh = d_zh + H;
                const float *d = dh + b * width, *d_out = d_hs + at;
                FOR_UNITS(
                    EACH_UNIT {
                        const float by_h = d[j] + passed[j] + d_out[j];
                        const float by_n = by_h * (1 - z[j]) * (1 - m[j] * m[j]);
                        const float by_r = by_n * u[j] * r[j] * (1 - r[j]);
                        d_z[j] = d_zh[j] = by_h * (h[j] - m[j]) * z[j] * (1 - z[j]);
                        d_n[j] = by_n;
                        d_nh[j] = by_n * r[j];
                        d_r[j] = d_rh[j] = by_r;
                        passed[j] = by_h * z[j];
                    })
            }
        }
    }
    free(dh);
    return 0;
}

/* ---- GRU that resets before the product; h' = (1 - z) h + z n. It has two products, the second of the first's ---- */

int gru_reset_before_forward(long T, long B, long H, int from_zero, const float *U_rz, const float *U_n, float *a,
                             float *hs, float *rh)
{
    float *u = calloc(2 * B * WIDTH, sizeof(float));
    if (!u) return 1;
    for (long t = 0; t < T; t++) {
        const float *panel = U_rz, *after = U_n;
        FOR_BLOCKS(panel, 2 * H) {
            for (long gate = 0; (t || !from_zero) && gate < 2; gate++)
                product(hs + t * B * H, B, H, panel + gate * H * width, width, u + gate * B * width);
            for (long b = 0; b < B; b++) {
                const float *ur = u + b * width, *uz = ur + B * width, *h = hs + (t * B + b) * H + unit;
                float *r = a + (t * B + b) * 3 * H + unit, *z = r + H, *kept = rh + (t * B + b) * H + unit;
                FOR_UNITS(
                    EACH_UNIT r[j] = sigmoid_(r[j] + ur[j]);
                    EACH_UNIT z[j] = sigmoid_(z[j] + uz[j]);
                    EACH_UNIT kept[j] = r[j] * h[j];)
            }
        }
        if (!t && from_zero) memset(u, 0, sizeof(float) * 2 * B * WIDTH);
        FOR_BLOCKS(after, H) {
            if (t || !from_zero) product(rh + t * B * H, B, H, after, width, u);
            for (long b = 0; b < B; b++) {
                const float *un = u + b * width, *h = hs + (t * B + b) * H + unit;
                float *z = a + (t * B + b) * 3 * H + H + unit, *m = z + H, *h_next = hs + ((t + 1) * B + b) * H + unit;
                FOR_UNITS(
                    EACH_UNIT m[j] = tanh_(m[j] + un[j]);
                    EACH_UNIT h_next[j] = h[j] + z[j] * (m[j] - h[j]);)
            }
        }
    }
    free(u);
    return 0;
}

int gru_reset_before_backward(long T, long B, long H, const float *W_rz, const float *W_n, const float *d_hs,
                              const float *a, float *da, const float *hs)
{
    /* of one step, in rows of their own, as products read them: gradients of n's product and of those of r and z */
    float *d = calloc(B * (WIDTH + 4 * H), sizeof(float)), *left = d + B * WIDTH, *dn = left + B * H, *drz = dn + B * H;
    if (!d) return 1;
    for (long t = T - 1; t >= 0; t--) {
        const float *panel = W_rz, *before = W_n;
        FOR_BLOCKS(panel, 2 * H) {
            if (t < T - 1) product(drz, B, 2 * H, panel, width, d);
            for (long b = 0; b < B; b++) {
                const long at = (t * B + b) * H + unit, gates = (t * B + b) * 3 * H + unit;
                const float *z = a + gates + H, *m = z + H, *h = hs + at, *through = d + b * width, *d_out = d_hs + at;
                float *d_z = da + gates + H, *d_n = d_z + H, *dn_b = dn + b * H + unit, *passed = left + b * H + unit;
                FOR_UNITS(
                    EACH_UNIT {
                        const float by_h = through[j] + passed[j] + d_out[j];
                        d_z[j] = by_h * (m[j] - h[j]) * z[j] * (1 - z[j]);
                        d_n[j] = dn_b[j] = by_h * z[j] * (1 - m[j] * m[j]);
                        passed[j] = by_h * (1 - z[j]);
                    })
            }
        }
        FOR_BLOCKS(before, H) {
            product(dn, B, H, before, width, d);
            for (long b = 0; b < B; b++) {
                const long at = (t * B + b) * H + unit, gates = (t * B + b) * 3 * H + unit;
                const float *r = a + gates, *h = hs + at, *by_rh = d + b * width, *d_z = da + gates + H;
                float *d_r = da + gates, *kept = drz + b * 2 * H + unit, *passed = left + b * H + unit;
                FOR_UNITS(
                    EACH_UNIT {
                        kept[j] = d_r[j] = by_rh[j] * h[j] * r[j] * (1 - r[j]);
                        kept[H + j] = d_z[j];
                        passed[j] += by_rh[j] * r[j];
                    })
            }
        }
        if (t == T - 1) memset(d, 0, sizeof(float) * B * WIDTH);
    }
    free(d);
    return 0;
}
