// What the caller describes in whole and real numbers, as layers to run.

struct Header {
    whole batch, features, context, steps, threads, mode;
    const float *x, *context_rows;
    float *y, *ladj;
    float* saved;
    const float *gy, *gl;
    float *gx, *g_context, *recovered;
};

enum Mode { RUN = 0, RUN_AND_KEEP = 1, BACK = 2, BACK_BY_INVERSION = 3 };

// where the sums of one linear layer go when all threads have theirs
struct Target {
    float *weight, *bias;
    const whole *row_order, *column_order;  // of the caller's matrix; null where as they lie
    int blocks;                             // rows of the caller's matrix for each in row_order
    int count;                              // entries of row_order
};

using Targets = std::array<Target, MOST_LINEARS + 1>;

struct Plan {
    Header head;
    Step* steps;
    Targets* targets;
    int vectors;  // a block's rows in vectors
    whole blocks, threads;
    long rows() const { return (long)vectors * LANES; }
};

INLINE size_t rounded(size_t floats) { return (floats + 15) / 16 * 16; }

class Reader {
  public:
    Reader(const whole* at, const double* numbers) : at_(at), numbers_(numbers) {}
    whole next() { return *at_++; }
    float number() { return (float)*numbers_++; }
    template <class T>
    T* pointer() { return reinterpret_cast<T*>(*at_++); }

  private:
    const whole* at_;
    const double* numbers_;
};

// masked weights, with rows and columns in autoregressive order, for one linear layer
struct Mask {
    std::vector<int> seen, seen_by;
};

struct Masked {
    std::deque<Mask> masks;  // a deque, because layers point into it
    std::deque<std::vector<float>> biases;
    std::vector<std::vector<int>> starts;
};

// memory of packed weights, which stays warm from call to call
class Packed {
  public:
    float* take(size_t floats) {
        thread_local std::deque<Arena> pool;
        if (used_ == pool.size()) pool.emplace_back();
        Arena& arena = pool[used_++];
        arena.reserve(floats);
        return arena.data;
    }

  private:
    size_t used_ = 0;
};

void read_linears(Conditioned& c, Reader& in, Target* targets) {
    Network& net = c.net;
    for (int l = 0; l < net.depth; ++l) {
        Linear& linear = net.linear[l];
        linear = {};
        linear.out = in.next();
        linear.in = in.next();
        linear.weight = in.pointer<const float>();
        linear.bias = in.pointer<const float>();
        targets[l] = {};
        targets[l].weight = in.pointer<float>();
        targets[l].bias = in.pointer<float>();
        linear.padded = padded(linear.in);
        if (l < net.depth - 1) net.hidden += linear.out;
    }
}

// the first unit of each degree 0..features, for each hidden layer
void read_starts(Conditioned& c, Reader& in, Masked& masked, whole features) {
    masked.starts.resize(c.net.depth - 1);
    for (int l = 0; l < c.net.depth - 1; ++l) {
        for (whole d = 0; d <= features; ++d) masked.starts[l].push_back(in.next());
        c.degree_start[l] = masked.starts[l].data();
    }
}

// how many inputs each output of a layer sees, and the first output that sees each input; an output
// of degree d sees inputs of degrees up to d, and both are sorted by degree
Mask mask_of(const Conditioned& c, int l) {
    const Linear& linear = c.net.linear[l];
    const bool first = l == 0, last = l == c.net.depth - 1;
    Mask mask{std::vector<int>(linear.out), std::vector<int>(linear.in, linear.out)};
    for (int degree = 0, j = 0, k = 0; degree < c.moved_count; ++degree) {
        // inputs of the first layer are features, of degrees 1, 2, ...
        const int inputs = first ? degree : c.degree_start[l - 1][degree + 1];
        const int outputs = last ? (degree + 1) * c.map.params : c.degree_start[l][degree + 1];
        while (k < inputs) mask.seen_by[k++] = j;
        while (j < outputs) mask.seen[j++] = inputs;
    }
    return mask;
}

bool in_order(const whole* order, int count) {
    for (int i = 0; i < count; ++i)
        if (order[i] != i) return false;
    return true;
}

// Masked copies of weights, with the features in autoregressive order. Where features are found one
// after another and in their own order, all units at work see the same inputs, so that the caller's
// weights will do.
void pack(Conditioned& c, Target* targets, Masked& masked, Packed& packed, whole features,
          bool forward_only) {
    const int depth = c.net.depth, per = c.map.params;
    c.packed = !(c.sequential && forward_only && in_order(c.seen, c.seen_count));
    for (int l = 0; l < depth; ++l) {
        Linear& linear = c.net.linear[l];
        const bool first = l == 0, last = l == depth - 1;
        masked.masks.push_back(mask_of(c, l));
        const Mask& mask = masked.masks.back();
        float* weight = c.packed ? packed.take((size_t)linear.out * linear.in) : nullptr;
        std::vector<float> bias(linear.bias, linear.bias + linear.out);
        for (int j = 0; j < linear.out; ++j) {
            const whole row = last ? (j % per) * features + c.moved[j / per] : j;
            const float* from = linear.weight + row * linear.in;
            bias[j] = linear.bias[row];
            if (!c.packed) continue;
            float* to = weight + (size_t)j * linear.in;
            const int seen = mask.seen[j];
            for (int k = 0; k < seen; ++k) to[k] = from[first ? c.seen[k] : k];
            // a tile of rows, or of columns, reads up to what its last one sees
            const int next = mask.seen[std::min(j + MOST_ROWS, linear.out) - 1];
            const int end = std::min(linear.in, std::max(next, seen + MOST_ROWS));
            std::fill(to + seen, to + end, 0.0f);
        }
        masked.biases.push_back(std::move(bias));
        if (last) {
            targets[l].row_order = c.moved;
            targets[l].blocks = per;
            targets[l].count = features;
        }
        if (first) targets[l].column_order = c.seen;
        if (c.packed) linear.weight = weight;
        linear.bias = masked.biases.back().data();
        linear.seen = mask.seen.data();
        linear.seen_by = mask.seen_by.data();
    }
}

void read_conditioned(Step& step, Reader& in, Target* targets, Masked& masked, const Header& head,
                      Packed* packed) {
    Conditioned& c = step.conditioned;
    c = {};
    c.map.inverted = in.next();
    c.map.kind = (Univariate::Kind)in.next();
    c.map.bins = in.next();
    c.map.params = c.map.kind == Univariate::AFFINE ? 2 : 3 * c.map.bins - 1;
    c.map.low = in.number();
    c.map.high = in.number();
    c.map.least = in.number();
    c.sequential = in.next();
    const bool is_masked = in.next();
    c.moved_count = in.next();
    c.moved = in.pointer<const whole>();
    c.seen_count = in.next();
    c.seen = in.pointer<const whole>();
    c.param_row = is_masked ? 1 : c.moved_count;
    c.param_feature = is_masked ? c.map.params : 1;
    c.net.depth = in.next();
    read_linears(c, in, targets);
    if (is_masked) read_starts(c, in, masked, head.features);
    if (is_masked && packed) pack(c, targets, masked, *packed, head.features, head.mode == RUN);
    c.net.context_weight = in.pointer<const float>();
    c.net.context = c.net.context_weight ? head.context : 0;
    c.net.context_padded = padded(c.net.context);
    targets[MOST_LINEARS] = {};
    targets[MOST_LINEARS].weight = in.pointer<float>();
    for (int l = 0; l < c.net.depth; ++l) {
        const Linear& linear = c.net.linear[l];
        step.gradients += rounded((size_t)linear.out * linear.padded) + linear.out * LANES;
    }
    step.gradients += rounded((size_t)c.net.linear[0].out * c.net.context_padded);
}

void read_affine(Step& step, Reader& in, Target* targets, const Header& head) {
    Affine& a = step.affine;
    a = {};
    a.kind = (Affine::Kind)in.next();
    a.linear.out = a.linear.in = head.features;
    a.linear.padded = a.kind == Affine::MATRIX ? padded(head.features) : 1;
    a.linear.weight = in.pointer<const float>();
    a.linear.bias = in.pointer<const float>();
    a.log_det = *in.pointer<const float>();
    targets[0] = {};
    targets[0].weight = in.pointer<float>();
    targets[0].bias = in.pointer<float>();
    targets[1] = {};
    targets[1].weight = in.pointer<float>();
    step.gradients =
        rounded((size_t)head.features * a.linear.padded) + head.features * LANES + 16;
}

// u = free + q w, with q such that 1 + w . u = exp(log_top)
struct Slope {
    double along, square, log_top, top, q;
    Slope(const float* raw, int features) : along(0), square(0) {
        for (int i = 0; i < features; ++i) {
            along += (double)raw[i] * raw[features + i];
            square += (double)raw[features + i] * raw[features + i];
        }
        square = square > 1.17549435e-38 ? square : 1.17549435e-38;
        log_top = LOG_BOUND * std::tanh(std::asinh(along) / LOG_BOUND);
        top = std::expm1(log_top);
        q = (top - along) / square;
    }
};

void read_planar(Step& step, const float* raw, float* gradient, Target* targets,
                 std::vector<float>& u, const Header& head) {
    const int features = head.features;
    const Slope slope(raw, features);
    u.resize(features);
    for (int i = 0; i < features; ++i) u[i] = raw[i] + slope.q * raw[features + i];
    step.planar = {features, raw[2 * features], (float)slope.log_top, u.data(), raw + features};
    targets[0] = {};
    targets[0].weight = gradient;
    step.gradients = rounded(2 * features + 2);
}

struct Call {
    std::vector<Step> steps;
    std::vector<Targets> targets;
    std::deque<Masked> masked;              // whose arrays steps point at
    std::deque<std::vector<float>> planar;  // the same
    Packed packed;
    Plan plan;

    // not `to_run`: only sizes are asked for
    Call(const whole* words, const double* numbers, bool to_run) {
        Reader in(words, numbers);
        Header& head = plan.head;
        head.batch = in.next();
        head.features = in.next();
        head.context = in.next();
        head.steps = in.next();
        head.threads = in.next();
        head.mode = in.next();
        head.x = in.pointer<const float>();
        head.context_rows = in.pointer<const float>();
        head.y = in.pointer<float>();
        head.ladj = in.pointer<float>();
        head.saved = in.pointer<float>();
        head.gy = in.pointer<const float>();
        head.gl = in.pointer<const float>();
        head.gx = in.pointer<float>();
        head.g_context = in.pointer<float>();
        head.recovered = in.pointer<float>();
        read_steps(in, to_run);
        divide();
    }

    void read_steps(Reader& in, bool to_run) {
        for (whole s = plan.head.steps; s > 0; --s) {
            const auto kind = (Step::Kind)in.next();
            if (kind == Step::PLANAR) {
                const whole layers = in.next(), each = 2 * plan.head.features + 1;
                const float* raw = in.pointer<const float>();
                float* gradient = in.pointer<float>();
                for (whole i = 0; i < layers; ++i) {
                    Step& step = add(kind);
                    read_planar(step, raw + i * each, gradient + i * each, targets.back().data(),
                                planar.back(), plan.head);
                }
                continue;
            }
            Step& step = add(kind);
            if (kind == Step::CONDITIONED)
                read_conditioned(step, in, targets.back().data(), masked.back(), plan.head,
                                 to_run ? &packed : nullptr);
            else if (kind == Step::AFFINE) read_affine(step, in, targets.back().data(), plan.head);
            else step.permutation.index = in.pointer<const whole>();
        }
        plan.head.steps = steps.size();
        plan.steps = steps.data();
        plan.targets = targets.data();
    }

    Step& add(Step::Kind kind) {
        steps.emplace_back();
        targets.emplace_back();
        masked.emplace_back();
        planar.emplace_back();
        steps.back().kind = kind;
        steps.back().gradients = 0;
        return steps.back();
    }

    // blocks of four vectors fill a tile of the product; small batches take fewer, so that all
    // threads have one
    void divide() {
        const whole batch = plan.head.batch, threads = plan.head.threads;
        plan.vectors = 64 / LANES;
        while (plan.vectors > 1 && batch < (whole)plan.vectors * LANES * threads) plan.vectors /= 2;
        plan.blocks = (batch + plan.rows() - 1) / plan.rows();
        plan.threads = std::max<whole>(1, std::min(threads, plan.blocks));
    }
};
