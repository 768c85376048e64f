// The layers of a stack, each on one block of rows, forwards and backwards.
//
// A block is feature-major: z (features, rows), ladj (rows). A backward pass turns the gradient of
// a step's output in `gz` into that of its input, and adds to the step's own gradients.

typedef long long whole;

struct Conditioned {
    Univariate map;
    Network net;
    int moved_count, seen_count;
    const whole *moved, *seen;
    long param_row, param_feature;  // strides of parameter k and of moved feature i, in rows
    bool sequential;                // features are found one after another
    bool packed;                    // masked weights are copies, in autoregressive order
    // sequential: the first unit of hidden layer l whose degree is at least d
    const int* degree_start[MOST_LINEARS];
};

struct Affine {  // y = M z + b, with M a matrix or a diagonal; or y = (z - b) / m
    enum Kind { MATRIX = 0, DIAGONAL = 1, DIAGONAL_INVERSE = 2 } kind;
    Linear linear;
    float log_det;
};

struct Permutation {
    const whole* index;
};

struct Planar {
    int features;
    float bias, log_top;
    const float *u, *w;
};

struct Step {
    enum Kind { CONDITIONED = 0, AFFINE = 1, PERMUTATION = 2, PLANAR = 3 } kind;
    Conditioned conditioned;
    Affine affine;
    Permutation permutation;
    Planar planar;
    long gradients;  // floats a thread sums for this step

    long saved() const {  // units kept for the backward pass, besides the states
        if (kind != CONDITIONED) return 0;
        const Network& net = conditioned.net;
        return net.hidden + net.linear[net.depth - 1].out;
    }
};

struct Scratch {
    float *seen, *before, *after, *params;             // forward
    float *g_seen, *g_before, *g_params, *turned, *g_state;  // backward
};

struct Block {
    int features;
    long rows;
    const float* context;  // (context, rows)
    float* g_context;
};

// -- couplings and masked autoregressions --------------------------------------------------------

INLINE Params params_of(const Conditioned& c, float* params, int feature, long rows, long at) {
    return {params + feature * c.param_feature * rows + at, c.param_row * rows};
}

INLINE void see(const Conditioned& c, int i, const float* z, float* seen, long rows) {
    const float* from = z + c.seen[i] * rows;
    for (long r = 0; r < rows; r += LANES) store(seen + i * rows + r, compress(load(from + r)));
}

INLINE void map_feature(const Conditioned& c, int i, float* params, float* z, float* ladj, long rows) {
    float* x = z + c.moved[i] * rows;
    for (long r = 0; r < rows; r += LANES) {
        const Mapped mapped = map(c.map, load(x + r), params_of(c, params, i, rows, r));
        store(x + r, mapped.value);
        store(ladj + r, load(ladj + r) + mapped.log_slope);
    }
}

// units of one degree, layer by layer
void run_degree(const Conditioned& c, int degree, const Block& block, float* before, Scratch& s) {
    const Network& net = c.net;
    const float* below = s.seen;
    float* after = s.after;
    for (int l = 0; l < net.depth - 1; ++l) {
        const int from = c.degree_start[l][degree], to = c.degree_start[l][degree + 1];
        run_linear(net, l, from, to, below, block.context, before, block.rows);
        silu(before + from * block.rows, after + from * block.rows, (to - from) * block.rows);
        below = after;
        before += net.linear[l].out * block.rows;
        after += net.linear[l].out * block.rows;
    }
}

// parameters of one feature; in the caller's weight their rows are `moved_count` apart
void run_outputs(const Conditioned& c, int i, const float* below, float* params, const Block& block) {
    const Linear& linear = c.net.linear[c.net.depth - 1];
    const long in = linear.in, count = c.map.params, from = i * count;
    const Operand weight = c.packed
                               ? Operand{linear.weight + from * in, in, 1}
                               : Operand{linear.weight + c.moved[i] * in, c.moved_count * in, 1};
    multiply(count, block.rows / LANES, in, weight, below, block.rows, params + from * block.rows,
             block.rows, linear.bias + from, false, {nullptr, linear.seen + from});
}

void run_sequentially(const Conditioned& c, const Block& block, float* z, float* ladj,
                      float* before, float* params, Scratch& s) {
    const Network& net = c.net;
    const int last = net.depth - 1;
    const float* top = s.after + (last ? hidden_offset(net, last - 1, block.rows) : 0);
    run_degree(c, 0, block, before, s);
    for (int i = 0; i < c.moved_count; ++i) {
        run_outputs(c, i, top, params, block);
        map_feature(c, i, params, z, ladj, block.rows);
        see(c, i, z, s.seen, block.rows);
        if (i + 1 < c.moved_count) run_degree(c, i + 1, block, before, s);
    }
}

void run(const Conditioned& c, const Block& block, float* z, float* ladj, float* before,
         float* params, Scratch& s) {
    if (c.sequential) return run_sequentially(c, block, z, ladj, before, params, s);
    for (int i = 0; i < c.seen_count; ++i) see(c, i, z, s.seen, block.rows);
    run_network(c.net, s.seen, block.context, before, s.after, params, block.rows);
    for (int i = 0; i < c.moved_count; ++i) map_feature(c, i, params, z, ladj, block.rows);
}

INLINE void map_feature_gradient(const Conditioned& c, int i, const float* z_in, const float* z_out,
                                 const float* params, float* gz, const float* gl, float* g_params,
                                 long rows) {
    const long at = c.moved[i] * rows;
    for (long r = 0; r < rows; r += LANES) {
        const Params p = params_of(c, const_cast<float*>(params), i, rows, r);
        const Params g = params_of(c, g_params, i, rows, r);
        store(gz + at + r, map_gradient(c.map, load(z_in + at + r), load(z_out + at + r), p,
                                        load(gz + at + r), load(gl + r), g));
    }
}

INLINE void seen_gradient(const Conditioned& c, int i, const float* z, const float* g_seen,
                          float* gz, long rows) {
    const long at = c.seen[i] * rows;
    for (long r = 0; r < rows; r += LANES)
        store(gz + at + r, load(gz + at + r) +
                               load(g_seen + i * rows + r) * compress_slope(load(z + at + r)));
}

// gradients before the activation of the units of one degree, top layer first
void degree_gradient(const Conditioned& c, int degree, const float* before, const float* g_params,
                     float* g_before, long rows) {
    const Network& net = c.net;
    const float* gradient = g_params;
    for (int l = net.depth - 1; l > 0; --l) {
        const int from = c.degree_start[l - 1][degree], to = c.degree_start[l - 1][degree + 1];
        const long at = hidden_offset(net, l - 1, rows);
        linear_input_gradient(net.linear[l], from, to, gradient, g_before + at, rows);
        times_silu_slope(g_before + at + from * rows, before + at + from * rows, (to - from) * rows);
        gradient = g_before + at;
    }
}

// In reverse of the order in which features were found: a feature's gradient is whole once all
// units that saw it have theirs.
void gradient_sequentially(const Conditioned& c, long rows, const float* z_in, const float* z_out,
                           const float* before, const float* params, float* gz, const float* gl,
                           Scratch& s) {
    for (int i = c.moved_count - 1; i >= 0; --i) {
        if (i + 1 < c.moved_count) {
            degree_gradient(c, i + 1, before, s.g_params, s.g_before, rows);
            linear_input_gradient(c.net.linear[0], i, i + 1, s.g_before, s.g_seen, rows);
            seen_gradient(c, i, z_out, s.g_seen, gz, rows);
        }
        map_feature_gradient(c, i, z_in, z_out, params, gz, gl, s.g_params, rows);
    }
    degree_gradient(c, 0, before, s.g_params, s.g_before, rows);
}

void gradient(const Conditioned& c, const Block& block, const float* z_in, const float* z_out,
              const float* before, const float* params, float* gz, const float* gl, Scratch& s) {
    const long rows = block.rows;
    const float* z = c.sequential ? z_out : z_in;
    for (int i = 0; i < c.seen_count; ++i) see(c, i, z, s.seen, rows);
    if (c.sequential) {
        gradient_sequentially(c, rows, z_in, z_out, before, params, gz, gl, s);
        weight_gradients(c.net, s.seen, block.context, before, s.g_before, s.g_params, s.after,
                         block.g_context, s.turned, rows);
    } else {
        for (int i = 0; i < c.moved_count; ++i)
            map_feature_gradient(c, i, z_in, z_out, params, gz, gl, s.g_params, rows);
        network_gradient(c.net, s.seen, block.context, before, s.g_params, s.g_before, s.g_seen,
                         s.after, block.g_context, s.turned, rows);
        for (int i = 0; i < c.seen_count; ++i) seen_gradient(c, i, z_in, s.g_seen, gz, rows);
    }
}

// What a coupling's input was, given its output: the features that it sees did not change.
void run_back(const Conditioned& c, const Block& block, float* z, float* ladj, float* before,
              float* params, Scratch& s) {
    Conditioned back = c;
    back.map.inverted = !c.map.inverted;
    run(back, block, z, ladj, before, params, s);
}

// -- affine maps, permutations ---------------------------------------------------------------------

INLINE void run_diagonal(const Affine& a, int i, bool inverted, const float* z, float* out, long rows) {
    const float scale = a.linear.weight[i], shift = a.linear.bias[i];
    for (long r = i * rows; r < (i + 1) * rows; r += LANES)
        store(out + r, inverted ? (load(z + r) - shift) / scale : load(z + r) * scale + shift);
}

void diagonal_gradient(const Affine& a, int i, const float* z, const float* gz, float* gz_in, long rows) {
    const float m = a.linear.weight[i], b = a.linear.bias[i];
    const bool inverted = a.kind == Affine::DIAGONAL_INVERSE;
    vec scale{}, shift{};
    for (long r = i * rows; r < (i + 1) * rows; r += LANES) {
        const vec g = inverted ? load(gz + r) / m : load(gz + r);
        scale += inverted ? -g * ((load(z + r) - b) / m) : g * load(z + r);
        shift += inverted ? -g : g;
        store(gz_in + r, inverted ? g : g * m);
    }
    a.linear.weight_gradient[i * a.linear.padded] += total(scale);
    add_to(a.linear.bias_gradient, i, shift);
}

void run(const Affine& a, const Block& block, const float* z, float* out, float* ladj) {
    const long rows = block.rows;
    const int features = block.features;
    if (a.kind != Affine::MATRIX)
        for (int i = 0; i < features; ++i)
            run_diagonal(a, i, a.kind == Affine::DIAGONAL_INVERSE, z, out, rows);
    else
        multiply(features, rows / LANES, features, {a.linear.weight, features, 1}, z, rows, out,
                 rows, a.linear.bias, false, {});
    for (long r = 0; r < rows; r += LANES) store(ladj + r, load(ladj + r) + a.log_det);
}

void gradient(const Affine& a, const Block& block, const float* z, const float* gz, float* gz_in,
              const float* gl, float* g_log_det, Scratch& s) {
    const long rows = block.rows;
    if (a.kind != Affine::MATRIX) {
        for (int i = 0; i < block.features; ++i) diagonal_gradient(a, i, z, gz, gz_in, rows);
    } else {
        linear_input_gradient(a.linear, 0, block.features, gz, gz_in, rows);
        linear_weight_gradient(a.linear, gz, z, s.turned, rows);
    }
    vec sum{};
    for (long r = 0; r < rows; r += LANES) sum += load(gl + r);
    *g_log_det += total(sum);
}

void run(const Permutation& p, const Block& block, const float* z, float* out) {
    for (int i = 0; i < block.features; ++i)
        __builtin_memcpy(out + i * block.rows, z + p.index[i] * block.rows, block.rows * 4);
}

void gradient(const Permutation& p, const Block& block, const float* gz, float* gz_in) {
    for (int i = 0; i < block.features; ++i)
        __builtin_memcpy(gz_in + p.index[i] * block.rows, gz + i * block.rows, block.rows * 4);
}

// -- planar ------------------------------------------------------------------------------------------

// tanh(at), 1 / cosh(at)^2, and 1 + (exp(log_top) - 1) / cosh(at)^2 as a sum of positive terms
struct Bend {
    vec tanh, slope, inside;
};

INLINE Bend bend(const Planar& p, const float* z, long rows, long r, float top) {
    vec at = splat(p.bias);
    for (int i = 0; i < p.features; ++i) at += p.w[i] * load(z + i * rows + r);
    const vec e = exponential(-2.0f * absolute(at));
    const vec by = 1.0f / (1.0f + e);
    const vec size = (1.0f - e) * by;
    const vec slope = 4.0f * e * by * by;
    return {at >= 0.0f ? size : -size, slope, top * slope + size * size};
}

void run(const Planar& p, const Block& block, const float* z, float* out, float* ladj) {
    const float top = __builtin_expf(p.log_top);
    for (long r = 0; r < block.rows; r += LANES) {
        const Bend b = bend(p, z, block.rows, r, top);
        for (int i = 0; i < p.features; ++i)
            store(out + i * block.rows + r, load(z + i * block.rows + r) + p.u[i] * b.tanh);
        store(ladj + r, load(ladj + r) + logarithm(b.inside));
    }
}

// sums: gradients of u, w, bias and log_top
void gradient(const Planar& p, const Block& block, const float* z, float* gz, const float* gl,
              float* sums) {
    const float top = __builtin_expf(p.log_top);
    const int features = p.features;
    vec g_bias{}, g_top{}, g_u[MOST_PLANAR], g_w[MOST_PLANAR];
    for (int i = 0; i < features; ++i) g_u[i] = g_w[i] = vec{};
    for (long r = 0; r < block.rows; r += LANES) {
        const Bend b = bend(p, z, block.rows, r, top);
        const vec by = load(gl + r) / b.inside;
        vec along{};
        for (int i = 0; i < features; ++i) along += p.u[i] * load(gz + i * block.rows + r);
        const vec g_at = b.slope * (along - 2.0f * (top - 1.0f) * b.tanh * by);
        g_bias += g_at;
        g_top += top * b.slope * by;
        for (int i = 0; i < features; ++i) {
            float* g = gz + i * block.rows + r;
            g_u[i] += load(g) * b.tanh;
            g_w[i] += g_at * load(z + i * block.rows + r);
            store(g, load(g) + g_at * p.w[i]);
        }
    }
    for (int i = 0; i < features; ++i) {
        sums[i] += total(g_u[i]);
        sums[features + i] += total(g_w[i]);
    }
    sums[2 * features] += total(g_bias);
    sums[2 * features + 1] += total(g_top);
}
