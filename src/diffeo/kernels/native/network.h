// A conditioner on one block of rows: linear layers with SiLU between them, its masks, its gradient.
//
// Arrays are feature-major: (units, rows of the block), rows contiguous.

constexpr int MOST_LINEARS = 16;

struct Linear {
    int out, in;
    const float* weight;  // (out, in): the caller's, or masked and in order of degree
    const float* bias;
    float* weight_gradient;  // where a thread sums it, rows padded to `padded`
    float* bias_gradient;  // (out, LANES): rows are added up at the end
    int padded;
    // masked networks: how many of the inputs each output sees, and the first output that sees
    // each input; null where all see all
    const int *seen, *seen_by;
};

struct Network {
    int depth;  // linear layers, the output included
    Linear linear[MOST_LINEARS];
    int context;
    const float* context_weight;  // (linear[0].out, context)
    float* context_gradient;
    int context_padded;
    int hidden;  // units of all hidden layers together
};

INLINE int padded(int width) { return (width + LANES - 1) / LANES * LANES; }

// what a conditioner sees: x / sqrt(1 + (x / 4)^2)
INLINE vec compress(vec x) {
    const vec scaled = smaller(larger(x * 0.25f, splat(-1e8f)), splat(1e8f));
    const vec seen = 4.0f * scaled / square_root(1.0f + scaled * scaled);
    return x == x ? seen : x;
}

INLINE vec compress_slope(vec x) {
    const vec scaled = smaller(larger(x * 0.25f, splat(-1e8f)), splat(1e8f));
    const vec root = 1.0f / square_root(1.0f + scaled * scaled);
    return root * root * root;
}

// units [from, to) of linear layer l, from the activations below it
void run_linear(const Network& net, int l, int from, int to, const float* below,
                const float* context, float* out, long rows) {
    const Linear& linear = net.linear[l];
    const int vectors = rows / LANES;
    const Reach reach{nullptr, linear.seen ? linear.seen + from : nullptr};
    float* target = out + from * rows;
    multiply(to - from, vectors, linear.in, {linear.weight + (long)from * linear.in, linear.in, 1},
             below, rows, target, rows, linear.bias + from, false, reach);
    if (l == 0 && net.context)
        multiply(to - from, vectors, net.context,
                 {net.context_weight + (long)from * net.context, net.context, 1}, context, rows,
                 target, rows, nullptr, true, {});
}

INLINE void silu(const float* before, float* after, long count) {
    for (long i = 0; i < count; i += LANES) {
        const vec a = load(before + i);
        store(after + i, a * sigmoid(a));
    }
}

// both in one, which share what costs
INLINE void silu_and_slope(const float* before, float* after, float* gradient, long count) {
    for (long i = 0; i < count; i += LANES) {
        const vec a = load(before + i), s = sigmoid(a);
        store(after + i, a * s);
        store(gradient + i, load(gradient + i) * (s * (1.0f + a * (1.0f - s))));
    }
}

INLINE void times_silu_slope(float* gradient, const float* before, long count) {
    for (long i = 0; i < count; i += LANES) {
        const vec a = load(before + i), s = sigmoid(a);
        store(gradient + i, load(gradient + i) * (s * (1.0f + a * (1.0f - s))));
    }
}

// below -> params. `before` (hidden, rows) keeps the hidden layers before their activation.
void run_network(const Network& net, const float* below, const float* context, float* before,
                 float* after, float* params, long rows) {
    for (int l = 0; l < net.depth - 1; ++l) {
        const int width = net.linear[l].out;
        run_linear(net, l, 0, width, below, context, before, rows);
        silu(before, after, width * rows);
        below = after;
        before += width * rows;
        after += width * rows;
    }
    run_linear(net, net.depth - 1, 0, net.linear[net.depth - 1].out, below, context, params, rows);
}

// gradient of units [from, to) below linear layer l, from the gradient of what it gave
void linear_input_gradient(const Linear& linear, int from, int to, const float* gradient,
                           float* below, long rows) {
    const Reach reach{linear.seen_by ? linear.seen_by + from : nullptr, nullptr};
    multiply(to - from, rows / LANES, linear.out, {linear.weight + from, 1, linear.in}, gradient,
             rows, below + from * rows, rows, nullptr, false, reach);
}

INLINE void add_to(float* lanes, int at, vec sum) {
    store(lanes + at * LANES, load(lanes + at * LANES) + sum);
}

// adds to the gradients of a linear layer's weight and bias; `turned` (rows, padded) is scratch
void linear_weight_gradient(const Linear& linear, const float* gradient, const float* below,
                            float* turned, long rows) {
    transpose(linear.padded, rows, below, rows, turned, linear.padded);
    multiply_reached(linear.out, linear.padded / LANES, rows, {gradient, rows, 1}, turned,
                     linear.padded, linear.weight_gradient, linear.padded, linear.seen);
    for (int j = 0; j < linear.out; ++j) {
        vec sum{};
        for (long r = 0; r < rows; r += LANES) sum += load(gradient + j * rows + r);
        add_to(linear.bias_gradient, j, sum);
    }
}

// adds to the gradient of the context's weight, and to that of the context itself
void context_gradient(const Network& net, const float* gradient, const float* context,
                      float* of_context, float* turned, long rows) {
    const int width = net.linear[0].out;
    transpose(net.context_padded, rows, context, rows, turned, net.context_padded);
    multiply(width, net.context_padded / LANES, rows, {gradient, rows, 1}, turned,
             net.context_padded, net.context_gradient, net.context_padded, nullptr, true, {});
    multiply(net.context, rows / LANES, width, {net.context_weight, 1, net.context}, gradient, rows,
             of_context, rows, nullptr, true, {});
}

// Offsets of hidden layer l in `before`.
INLINE long hidden_offset(const Network& net, int l, long rows) {
    long units = 0;
    for (int i = 0; i < l; ++i) units += net.linear[i].out;
    return units * rows;
}

// The same of weights alone, where the gradients before each activation are known.
void weight_gradients(const Network& net, const float* seen, const float* context,
                      const float* before, const float* g_before, const float* g_params,
                      float* after, float* of_context, float* turned, long rows) {
    for (int l = net.depth - 1; l >= 0; --l) {
        const float* below = seen;
        if (l > 0) {
            const long at = hidden_offset(net, l - 1, rows);
            silu(before + at, after, net.linear[l - 1].out * rows);
            below = after;
        }
        const float* gradient =
            l == net.depth - 1 ? g_params : g_before + hidden_offset(net, l, rows);
        linear_weight_gradient(net.linear[l], gradient, below, turned, rows);
    }
    if (net.context) context_gradient(net, g_before, context, of_context, turned, rows);
}

// g_params -> g_seen, and the gradients of all weights
void network_gradient(const Network& net, const float* seen, const float* context,
                      const float* before, const float* g_params, float* g_before, float* g_seen,
                      float* after, float* of_context, float* turned, long rows) {
    const float* gradient = g_params;
    for (int l = net.depth - 1; l > 0; --l) {
        const long at = hidden_offset(net, l - 1, rows);
        const int width = net.linear[l - 1].out;
        linear_input_gradient(net.linear[l], 0, width, gradient, g_before + at, rows);
        silu_and_slope(before + at, after, g_before + at, width * rows);
        linear_weight_gradient(net.linear[l], gradient, after, turned, rows);
        gradient = g_before + at;
    }
    linear_input_gradient(net.linear[0], 0, net.linear[0].in, gradient, g_seen, rows);
    linear_weight_gradient(net.linear[0], gradient, seen, turned, rows);
    if (net.context) context_gradient(net, gradient, context, of_context, turned, rows);
}
