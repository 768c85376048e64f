// Gradients of parameters: where each thread sums them, and where their total goes.

void planar_raw_gradient(const Planar& p, const float* sums, float* out) {
    const int features = p.features;
    const float* raw_w = p.w;
    const float* raw = raw_w - features;
    const Slope s(raw, features);
    double g_q = 0;
    for (int i = 0; i < features; ++i) g_q += (double)sums[i] * raw_w[i];
    const double g_top = g_q / s.square, g_square = -g_q * s.q / s.square;
    const double t = s.log_top / LOG_BOUND;
    const double g_log_top = g_top * (s.top + 1) + sums[2 * features + 1];
    const double g_along =
        -g_q / s.square + g_log_top * (1 - t * t) / std::sqrt(1 + s.along * s.along);
    for (int i = 0; i < features; ++i) {
        out[i] = sums[i] + g_along * raw_w[i];
        out[features + i] =
            sums[features + i] + s.q * sums[i] + g_along * raw[i] + 2 * g_square * raw_w[i];
    }
    out[2 * features] = sums[2 * features];
}

void bind(Step& step, float* sums) {
    if (step.kind == Step::CONDITIONED) {
        Network& net = step.conditioned.net;
        for (int l = 0; l < net.depth; ++l) {
            Linear& linear = net.linear[l];
            linear.weight_gradient = sums;
            linear.bias_gradient = sums += rounded((size_t)linear.out * linear.padded);
            sums += linear.out * LANES;
        }
        net.context_gradient = sums;
    } else if (step.kind == Step::AFFINE) {
        Linear& linear = step.affine.linear;
        linear.weight_gradient = sums;
        linear.bias_gradient = sums + rounded((size_t)linear.out * linear.padded);
    }
}

struct Sums {
    const float* const* threads;
    whole count;
    // plain loops over contiguous floats, which the compiler turns into vectors
    void row(size_t at, int floats, float* out) const {
        const float* first = threads[0] + at;
        for (int k = 0; k < floats; ++k) out[k] = first[k];
        for (whole t = 1; t < count; ++t) {
            const float* more = threads[t] + at;
            for (int k = 0; k < floats; ++k) out[k] += more[k];
        }
    }
    float operator()(size_t at) const {
        float sum = threads[0][at];
        for (whole t = 1; t < count; ++t) sum += threads[t][at];
        return sum;
    }
};

void deliver_linear(const Linear& linear, const Target& to, const Sums& sums, size_t at, whole part,
                    whole parts) {
    const int begin = linear.out * part / parts, end = linear.out * (part + 1) / parts;
    const size_t bias = at + rounded((size_t)linear.out * linear.padded);
    for (int j = begin; j < end; ++j) {
        const whole row =
            to.row_order ? (j % to.blocks) * (whole)to.count + to.row_order[j / to.blocks] : j;
        const int seen = linear.seen ? linear.seen[j] : linear.in;
        float* out = to.weight + row * linear.in;
        const size_t from = at + (size_t)j * linear.padded;
        if (to.column_order)
            for (int k = 0; k < linear.in; ++k)
                out[to.column_order[k]] = k < seen ? sums(from + k) : 0.0f;
        else {
            sums.row(from, seen, out);
            for (int k = seen; k < linear.in; ++k) out[k] = 0.0f;
        }
        vec lanes;
        sums.row(bias + j * LANES, LANES, reinterpret_cast<float*>(&lanes));
        to.bias[row] = total(lanes);
    }
}

void deliver(const Step& step, const Target* targets, const Sums& sums, whole part, whole parts) {
    if (step.kind == Step::CONDITIONED) {
        const Network& net = step.conditioned.net;
        size_t at = 0;
        for (int l = 0; l < net.depth; ++l) {
            const Linear& linear = net.linear[l];
            deliver_linear(linear, targets[l], sums, at, part, parts);
            at += rounded((size_t)linear.out * linear.padded) + linear.out * LANES;
        }
        if (!net.context || part) return;
        for (int j = 0; j < net.linear[0].out; ++j)
            for (int k = 0; k < net.context; ++k)
                targets[MOST_LINEARS].weight[j * net.context + k] =
                    sums(at + (size_t)j * net.context_padded + k);
        return;
    }
    if (part) return;
    if (step.kind == Step::AFFINE) {
        Linear linear = step.affine.linear;
        if (step.affine.kind != Affine::MATRIX) linear.in = 1;
        deliver_linear(linear, targets[0], sums, 0, 0, 1);
        targets[1].weight[0] =
            sums(rounded((size_t)linear.out * linear.padded) + linear.out * LANES);
    } else if (step.kind == Step::PLANAR) {
        float total[2 * MOST_PLANAR + 2];
        for (int i = 0; i < 2 * step.planar.features + 2; ++i) total[i] = sums(i);
        planar_raw_gradient(step.planar, total, targets[0].weight);
    }
}
