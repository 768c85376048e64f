// C (rows x columns) = start + A B for small matrices that stay in a core's cache.
//
// A is read one float at a time (broadcast) with any strides, so neither it nor its transpose is
// ever copied; B and C are read along rows, in whole vectors. Rows of A may see only a part of B's
// rows: a masked weight whose units are sorted by degree sees a prefix, its transpose a suffix.

struct Operand {
    const float* data;
    long row, column;  // strides of the rows of the result, and of the summed index
};

// the summed indices that row i of the result needs: [first[i], last[i]), null for all of them
struct Reach {
    const int* first;
    const int* last;
};

// one vector a row leaves registers free for more rows, whose sums do not wait for each other
constexpr int MOST_ROWS = 2 * TILE_ROWS;

template <int ROWS, int VECTORS>
INLINE void tile(Operand a, const float* b, long b_row, float* c, long c_row, int first, int last,
                 const float* bias, bool add) {
    vec sum[ROWS][VECTORS];
    UNROLL for (int i = 0; i < ROWS; ++i)
        UNROLL for (int v = 0; v < VECTORS; ++v)
            sum[i][v] = add ? load(c + i * c_row + v * LANES) : splat(bias ? bias[i] : 0.0f);
    for (int k = first; k < last; ++k) {
        vec right[VECTORS];
        UNROLL for (int v = 0; v < VECTORS; ++v) right[v] = load(b + k * b_row + v * LANES);
        UNROLL for (int i = 0; i < ROWS; ++i) {
            const vec left = splat(a.data[i * a.row + k * a.column]);
            UNROLL for (int v = 0; v < VECTORS; ++v) sum[i][v] += left * right[v];
        }
    }
    UNROLL for (int i = 0; i < ROWS; ++i)
        UNROLL for (int v = 0; v < VECTORS; ++v) store(c + i * c_row + v * LANES, sum[i][v]);
}

template <int VECTORS>
void strip(int rows, int depth, Operand a, const float* b, long b_row, float* c, long c_row,
           const float* bias, bool add, Reach reach) {
    for (int i = 0; i < rows;) {
        const int left = rows - i;
        constexpr int MANY = VECTORS == 1 ? MOST_ROWS : TILE_ROWS;
        const int step = left >= MANY        ? MANY
                         : left >= TILE_ROWS ? TILE_ROWS
                         : left >= 4         ? 4
                         : left >= 2         ? 2
                                             : 1;
        // reaches grow with the row, so the tile's first row has the least and the last the most
        const int first = reach.first ? reach.first[i] : 0;
        const int last = reach.last ? reach.last[i + step - 1] : depth;
        const Operand from{a.data + i * a.row, a.row, a.column};
        float* to = c + i * c_row;
        const float* start = bias ? bias + i : nullptr;
        if (step == MANY) tile<MANY, VECTORS>(from, b, b_row, to, c_row, first, last, start, add);
        else if (step == TILE_ROWS) tile<TILE_ROWS, VECTORS>(from, b, b_row, to, c_row, first, last, start, add);
        else if (step == 4) tile<4, VECTORS>(from, b, b_row, to, c_row, first, last, start, add);
        else if (step == 2) tile<2, VECTORS>(from, b, b_row, to, c_row, first, last, start, add);
        else tile<1, VECTORS>(from, b, b_row, to, c_row, first, last, start, add);
        i += step;
    }
}

// columns in vectors; C starts at the bias of each row, at 0, or (add) at what it holds
void multiply(int rows, int vectors, int depth, Operand a, const float* b, long b_row, float* c,
              long c_row, const float* bias, bool add, Reach reach) {
    for (int v = 0; v < vectors;) {
        const int left = vectors - v;
        const int step = left >= TILE_VECTORS ? TILE_VECTORS : left >= 2 ? 2 : 1;
        const float* from = b + v * LANES;
        float* to = c + v * LANES;
        if (step == TILE_VECTORS) strip<TILE_VECTORS>(rows, depth, a, from, b_row, to, c_row, bias, add, reach);
        else if (step == 2) strip<2>(rows, depth, a, from, b_row, to, c_row, bias, add, reach);
        else strip<1>(rows, depth, a, from, b_row, to, c_row, bias, add, reach);
        v += step;
    }
}

// C (rows x columns) += A B where B (depth x columns) is known by the columns that each row needs:
// tiles of the result that no row of theirs reaches are skipped
void multiply_reached(int rows, int vectors, int depth, Operand a, const float* b, long b_row,
                      float* c, long c_row, const int* reached) {
    if (!reached) return multiply(rows, vectors, depth, a, b, b_row, c, c_row, nullptr, true, {});
    for (int i = 0; i < rows;) {
        const int step = rows - i >= TILE_ROWS ? TILE_ROWS : rows - i;
        const int needed = (reached[i + step - 1] + LANES - 1) / LANES;
        multiply(step, needed < vectors ? needed : vectors, depth, {a.data + i * a.row, a.row, a.column},
                 b, b_row, c + i * c_row, c_row, nullptr, true, {});
        i += step;
    }
}

template <int HALF>
INLINE void exchange(vec (&rows)[LANES]) {
    ivec low, high;
    UNROLL for (int i = 0; i < LANES; ++i) {
        low[i] = (i & HALF) ? LANES + (i ^ HALF) : i;
        high[i] = (i & HALF) ? LANES + i : (i ^ HALF);
    }
    UNROLL for (int i = 0; i < LANES; ++i) {
        if (i & HALF) continue;
        const vec a = rows[i], b = rows[i + HALF];
        rows[i] = __builtin_shuffle(a, b, low);
        rows[i + HALF] = __builtin_shuffle(a, b, high);
    }
    if constexpr (2 * HALF < LANES) exchange<2 * HALF>(rows);
}

// (rows x columns), both multiples of LANES, to its transpose
void transpose(int rows, int columns, const float* from, long from_row, float* to, long to_row) {
    for (int i = 0; i < rows; i += LANES)
        for (int j = 0; j < columns; j += LANES) {
            vec square[LANES];
            UNROLL for (int k = 0; k < LANES; ++k) square[k] = load(from + (i + k) * from_row + j);
            exchange<1>(square);
            UNROLL for (int k = 0; k < LANES; ++k) store(to + (j + k) * to_row + i, square[k]);
        }
}
