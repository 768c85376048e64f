// A whole stack of layers over a batch: rows in blocks, blocks shared among threads.
//
// Layer by layer, each thread takes its blocks through one layer while the layer's weights are in
// its cache. Rows never meet, so threads wait for each other only to add up weight gradients.

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

// grows, never shrinks, and is not cleared: pages stay warm from call to call
struct Arena {
    float* data = nullptr;
    size_t size = 0, used = 0;
    ~Arena() { std::free(data); }
    void reserve(size_t floats) {
        used = 0;
        if (floats <= size) return;
        std::free(data);
        size = floats + floats / 4;
        data = static_cast<float*>(std::aligned_alloc(64, (size * 4 + 63) / 64 * 64));
        if (!data) throw std::bad_alloc();
        std::memset(data, 0, size * 4);
    }
    float* take(size_t floats) {
        float* start = data + used;
        used += (floats + 15) / 16 * 16;
        return start;
    }
};

INLINE size_t rounded(size_t floats) { return (floats + 15) / 16 * 16; }

// -- reading what the caller describes ---------------------------------------------------------------

// masked weights, with rows and columns in autoregressive order, for one linear layer
struct Mask {
    std::vector<int> seen, seen_by;
};

struct Masked {
    std::vector<Mask> masks;
    std::vector<std::vector<float>> weights, biases;
    std::vector<std::vector<int>> starts;
};

void read_linears(Conditioned& c, Reader& in, Target* targets, Masked* masked, whole features) {
    Network& net = c.net;
    std::vector<int> degrees[MOST_LINEARS];
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
    if (!masked) return;
    masked->masks.resize(net.depth);
    masked->weights.resize(net.depth);
    masked->biases.resize(net.depth);
    masked->starts.resize(net.depth);
    // the first unit of each degree 0..features, for each hidden layer
    for (int l = 0; l < net.depth - 1; ++l) {
        for (whole d = 0; d <= features; ++d) {
            masked->starts[l].push_back(in.next());
            if (d) degrees[l].resize(masked->starts[l][d], d - 1);
        }
        c.degree_start[l] = masked->starts[l].data();
    }
    for (int l = 0; l < net.depth; ++l) {
        Linear& linear = net.linear[l];
        const bool first = l == 0, last = l == net.depth - 1;
        const int per = c.map.params;
        Mask& mask = masked->masks[l];
        mask.seen.resize(linear.out);
        mask.seen_by.assign(linear.in, linear.out);
        // an output of degree d sees inputs of degrees up to d; both are sorted by degree
        for (int j = 0, k = 0; j < linear.out; ++j) {
            const int degree = last ? j / per : degrees[l][j];
            while (k < linear.in && (first ? k + 1 : degrees[l - 1][k]) <= degree) mask.seen_by[k++] = j;
            mask.seen[j] = k;
        }
        std::vector<float>& weight = masked->weights[l];
        weight.resize((size_t)linear.out * linear.in);
        for (int j = 0; j < linear.out; ++j) {
            const float* from = linear.weight;
            from += (last ? (j % per) * features + c.moved[j / per] : (whole)j) * linear.in;
            float* to = weight.data() + (size_t)j * linear.in;
            if (first)
                for (int k = 0; k < linear.in; ++k) to[k] = k < mask.seen[j] ? from[c.seen[k]] : 0.0f;
            else {
                std::memcpy(to, from, mask.seen[j] * 4);
                std::memset(to + mask.seen[j], 0, (linear.in - mask.seen[j]) * 4);
            }
        }
        if (last) {
            masked->biases[l].resize(linear.out);
            for (int j = 0; j < linear.out; ++j)
                masked->biases[l][j] = linear.bias[(j % per) * features + c.moved[j / per]];
            linear.bias = masked->biases[l].data();
            targets[l].row_order = c.moved;
            targets[l].blocks = per;
            targets[l].count = features;
        }
        if (first) targets[l].column_order = c.seen;
        linear.weight = weight.data();
        linear.seen = mask.seen.data();
        linear.seen_by = mask.seen_by.data();
    }
}

void read_conditioned(Step& step, Reader& in, Target* targets, Masked& masked, const Header& head) {
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
    read_linears(c, in, targets, is_masked ? &masked : nullptr, head.features);
    c.net.context_weight = in.pointer<const float>();
    c.net.context = c.net.context_weight ? head.context : 0;
    c.net.context_padded = padded(c.net.context);
    targets[MOST_LINEARS] = {};
    targets[MOST_LINEARS].weight = in.pointer<float>();
    for (int l = 0; l < c.net.depth; ++l) {
        const Linear& linear = c.net.linear[l];
        step.gradients += rounded((size_t)linear.out * linear.padded) + rounded(linear.out);
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
    step.gradients = rounded((size_t)head.features * a.linear.padded) + rounded(head.features) + 16;
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

// -- gradients: where a thread sums them, where their total goes --------------------------------------

void bind(Step& step, float* sums) {
    if (step.kind == Step::CONDITIONED) {
        Network& net = step.conditioned.net;
        for (int l = 0; l < net.depth; ++l) {
            Linear& linear = net.linear[l];
            linear.weight_gradient = sums;
            linear.bias_gradient = sums += rounded((size_t)linear.out * linear.padded);
            sums += rounded(linear.out);
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
            for (int k = 0; k < seen; ++k) out[k] = sums(from + k);
            for (int k = seen; k < linear.in; ++k) out[k] = 0.0f;
        }
        to.bias[row] = sums(bias + j);
    }
}

void deliver(const Step& step, const Target* targets, const Sums& sums, whole part, whole parts) {
    if (step.kind == Step::CONDITIONED) {
        const Network& net = step.conditioned.net;
        size_t at = 0;
        for (int l = 0; l < net.depth; ++l) {
            const Linear& linear = net.linear[l];
            deliver_linear(linear, targets[l], sums, at, part, parts);
            at += rounded((size_t)linear.out * linear.padded) + rounded(linear.out);
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
            sums(rounded((size_t)linear.out * linear.padded) + rounded(linear.out));
    } else if (step.kind == Step::PLANAR) {
        float total[2 * MOST_PLANAR + 2];
        for (int i = 0; i < 2 * step.planar.features + 2; ++i) total[i] = sums(i);
        planar_raw_gradient(step.planar, total, targets[0].weight);
    }
}

// -- blocks -------------------------------------------------------------------------------------------

// rows [first, first + rows) of a (batch, width) matrix to (width, rows), absent rows as zeros
void gather_rows(const float* from, whole batch, whole width, whole first, long rows, float* to) {
    const long present = batch - first < rows ? batch - first : rows;
    for (whole i = 0; i < width; ++i) {
        for (long r = 0; r < present; ++r) to[i * rows + r] = from ? from[(first + r) * width + i] : 0;
        for (long r = present; r < rows; ++r) to[i * rows + r] = 0;
    }
}

void scatter_rows(const float* from, whole batch, whole width, whole first, long rows, float* to) {
    const long present = batch - first < rows ? batch - first : rows;
    for (long r = 0; r < present; ++r)
        for (whole i = 0; i < width; ++i) to[(first + r) * width + i] = from[i * rows + r];
}

struct Widths {
    size_t seen = 0, hidden = 0, widest = 0, params = 0, features;
    explicit Widths(const Plan& plan) : features(plan.head.features) {
        for (whole s = 0; s < plan.head.steps; ++s) {
            if (plan.steps[s].kind != Step::CONDITIONED) continue;
            const Network& net = plan.steps[s].conditioned.net;
            seen = std::max<size_t>(seen, net.linear[0].padded);
            hidden = std::max<size_t>(hidden, net.hidden + LANES);
            for (int l = 0; l < net.depth; ++l) widest = std::max<size_t>(widest, net.linear[l].padded);
            widest = std::max<size_t>(widest, net.context_padded);
            params = std::max<size_t>(params, net.linear[net.depth - 1].out);
        }
        widest = std::max<size_t>(widest, padded(plan.head.features));
    }
};

INLINE size_t scratch_size(const Widths& w, long rows) {
    return 2 * rounded(w.seen * rows) + 3 * rounded(w.hidden * rows) + 2 * rounded(w.params * rows) +
           rounded(w.widest * rows) + rounded(w.features * rows);
}

Scratch take_scratch(Arena& arena, const Widths& w, long rows) {
    arena.reserve(scratch_size(w, rows));
    Scratch s;
    s.seen = arena.take(w.seen * rows);
    s.g_seen = arena.take(w.seen * rows);
    s.before = arena.take(w.hidden * rows);
    s.after = arena.take(w.hidden * rows);
    s.g_before = arena.take(w.hidden * rows);
    s.params = arena.take(w.params * rows);
    s.g_params = arena.take(w.params * rows);
    s.turned = arena.take(w.widest * rows);
    s.g_state = arena.take(w.features * rows);
    return s;
}

// the arrays of all blocks in `work`, and of all blocks and steps in `saved`
struct Layout {
    const Plan& plan;
    size_t state, units;  // floats of a state of all blocks; units saved before each step
    std::vector<size_t> before_step;
    float* work = nullptr;

    explicit Layout(const Plan& p) : plan(p) {
        // a transpose reads whole vectors of features, past the last one
        state = ((size_t)p.blocks * p.head.features + LANES) * p.rows();
        units = 0;
        for (whole s = 0; s < p.head.steps; ++s) {
            before_step.push_back(units);
            units += p.steps[s].saved();
        }
    }
    size_t saved_size() const { return (plan.head.steps + 1) * state + units * plan.blocks * plan.rows(); }
    size_t work_size() const {
        // z, its successor, their gradient, context and its gradient, ladj
        return 3 * state + plan.blocks * plan.rows() * (2 * padded(plan.head.context) + 1);
    }
    size_t at(whole block) const { return block * plan.head.features * plan.rows(); }
    float* z(whole step, whole block) const { return plan.head.saved + step * state + at(block); }
    float* kept(whole step, whole block) const {
        return plan.head.saved + (plan.head.steps + 1) * state +
               (before_step[step] * plan.blocks + block * plan.steps[step].saved()) * plan.rows();
    }
    float* current(whole block) const { return work + at(block); }
    float* next(whole block) const { return work + state + at(block); }
    float* gradient(whole block) const { return work + 2 * state + at(block); }
    float* context(whole block) const {
        return work + 3 * state + block * padded(plan.head.context) * plan.rows();
    }
    float* g_context(whole block) const {
        return context(plan.blocks) + block * padded(plan.head.context) * plan.rows();
    }
    float* ladj(whole block) const { return g_context(plan.blocks) + block * plan.rows(); }
    Block block(whole b) const {
        return {(int)plan.head.features, plan.rows(), context(b), g_context(b)};
    }
};

void copy(const float* from, float* to, size_t floats) { std::memcpy(to, from, floats * 4); }

void forward_step(const Layout& layout, whole s, whole b, Scratch& scratch) {
    const Plan& plan = layout.plan;
    const Step& step = plan.steps[s];
    const bool keep = plan.head.mode == RUN_AND_KEEP;
    const Block block = layout.block(b);
    const size_t floats = plan.head.features * plan.rows();
    float* z = keep ? layout.z(s, b) : layout.current(b);
    float* out = keep ? layout.z(s + 1, b) : layout.next(b);
    float* ladj = layout.ladj(b);
    if (step.kind == Step::CONDITIONED) {
        const Conditioned& c = step.conditioned;
        float* before = keep ? layout.kept(s, b) : scratch.before;
        float* params = keep ? before + c.net.hidden * plan.rows() : scratch.params;
        if (keep) copy(z, out, floats);
        run(c, block, keep ? out : z, ladj, before, params, scratch);
        return;
    }
    if (step.kind == Step::AFFINE) run(step.affine, block, z, out, ladj);
    else if (step.kind == Step::PERMUTATION) run(step.permutation, block, z, out);
    else run(step.planar, block, z, out, ladj);
    if (!keep) copy(out, z, floats);
}

// z_out to z_in, for the steps that can be undone without a solver
void undo(const Layout& layout, const Step& step, whole b, const float* z_out, float* z_in,
          Scratch& scratch) {
    const Block block = layout.block(b);
    const long rows = block.rows;
    if (step.kind == Step::CONDITIONED) {
        copy(z_out, z_in, block.features * rows);
        run_back(step.conditioned, block, z_in, scratch.turned, scratch.before, scratch.params, scratch);
    } else if (step.kind == Step::PERMUTATION) {
        gradient(step.permutation, block, z_out, z_in);
    } else {
        const bool was_inverted = step.affine.kind == Affine::DIAGONAL_INVERSE;
        for (int i = 0; i < block.features; ++i)
            run_diagonal(step.affine, i, !was_inverted, z_out, z_in, rows);
    }
}

void backward_step(const Layout& layout, const Step& step, whole s, whole b, float* sums,
                   Scratch& scratch) {
    const Plan& plan = layout.plan;
    const bool inverting = plan.head.mode == BACK_BY_INVERSION;
    const Block block = layout.block(b);
    const size_t floats = plan.head.features * plan.rows();
    float *gz = layout.gradient(b), *gl = layout.ladj(b);
    const float* z_out = inverting ? layout.current(b) : layout.z(s + 1, b);
    const float* z_in = inverting ? layout.next(b) : layout.z(s, b);
    if (inverting) undo(layout, step, b, z_out, layout.next(b), scratch);
    if (step.kind == Step::CONDITIONED) {
        const Conditioned& c = step.conditioned;
        const float* before = inverting ? scratch.before : layout.kept(s, b);
        const float* params = inverting ? scratch.params : before + c.net.hidden * plan.rows();
        gradient(c, block, z_in, z_out, before, params, gz, gl, scratch);
    } else if (step.kind == Step::PLANAR) {
        gradient(step.planar, block, z_in, gz, gl, sums);
    } else {
        float* g_in = scratch.g_state;
        if (step.kind == Step::AFFINE)
            gradient(step.affine, block, z_in, gz, g_in, gl,
                     sums + step.gradients - 16, scratch);
        else gradient(step.permutation, block, gz, g_in);
        copy(g_in, gz, floats);
    }
    if (inverting) copy(z_in, layout.current(b), floats);
}

// -- the two passes -------------------------------------------------------------------------------------

Arena& thread_arena() {
    thread_local Arena arena;
    return arena;
}

// lends `work` to a layout: pages that stay warm between calls, unless they are many
class Workspace {
  public:
    explicit Workspace(Layout& layout) {
        thread_local Arena warm;
        Arena& arena = layout.work_size() <= MOST_WARM ? warm : large_;
        arena.reserve(layout.work_size());
        layout.work = arena.data;
    }

  private:
    static constexpr size_t MOST_WARM = 1 << 24;
    Arena large_;
};

void forward(const Plan& plan) {
    Layout layout(plan);
    Workspace workspace(layout);
    const Widths widths(plan);
    const Header& head = plan.head;
    const bool keep = head.mode == RUN_AND_KEEP;
#pragma omp parallel num_threads(plan.threads)
    {
        const whole thread = thread_number();
        const whole begin = plan.blocks * thread / plan.threads;
        const whole end = plan.blocks * (thread + 1) / plan.threads;
        const long rows = plan.rows();
        Scratch scratch = take_scratch(thread_arena(), widths, rows);
        for (whole b = begin; b < end; ++b) {
            gather_rows(head.x, head.batch, head.features, b * rows, rows,
                        keep ? layout.z(0, b) : layout.current(b));
            gather_rows(head.context_rows, head.batch, head.context, b * rows, rows, layout.context(b));
            std::memset(layout.ladj(b), 0, rows * 4);
        }
        for (whole s = 0; s < head.steps; ++s)
            for (whole b = begin; b < end; ++b) forward_step(layout, s, b, scratch);
        for (whole b = begin; b < end; ++b) {
            scatter_rows(keep ? layout.z(head.steps, b) : layout.current(b), head.batch, head.features,
                         b * rows, rows, head.y);
            scatter_rows(layout.ladj(b), head.batch, 1, b * rows, rows, head.ladj);
        }
    }
}

void backward(const Plan& plan) {
    Layout layout(plan);
    Workspace workspace(layout);
    const Widths widths(plan);
    const Header& head = plan.head;
    size_t most = 0;
    for (whole s = 0; s < head.steps; ++s) most = std::max<size_t>(most, plan.steps[s].gradients);
    thread_local Arena shared;
    shared.reserve(2 * plan.threads * rounded(most));
    // two sets in turn: while one is added up, the next layer fills the other
    std::vector<float*> sums(2 * plan.threads);
    for (float*& each : sums) each = shared.take(most);
#pragma omp parallel num_threads(plan.threads)
    {
        const whole thread = thread_number();
        const whole begin = plan.blocks * thread / plan.threads;
        const whole end = plan.blocks * (thread + 1) / plan.threads;
        const long rows = plan.rows();
        Scratch scratch = take_scratch(thread_arena(), widths, rows);
        for (whole b = begin; b < end; ++b) {
            gather_rows(head.gy, head.batch, head.features, b * rows, rows, layout.gradient(b));
            gather_rows(head.gl, head.batch, 1, b * rows, rows, layout.ladj(b));
            gather_rows(head.context_rows, head.batch, head.context, b * rows, rows, layout.context(b));
            std::memset(layout.g_context(b), 0, padded(head.context) * rows * 4);
            if (head.mode == BACK_BY_INVERSION)
                gather_rows(head.y, head.batch, head.features, b * rows, rows, layout.current(b));
        }
        for (whole s = head.steps - 1; s >= 0; --s) {
            float** set = sums.data() + (s % 2) * plan.threads;
            std::memset(set[thread], 0, plan.steps[s].gradients * 4);
            Step step = plan.steps[s];
            bind(step, set[thread]);
            for (whole b = begin; b < end; ++b) backward_step(layout, step, s, b, set[thread], scratch);
#pragma omp barrier
            deliver(step, plan.targets[s].data(), {set, plan.threads}, thread, plan.threads);
        }
        for (whole b = begin; b < end; ++b) {
            scatter_rows(layout.gradient(b), head.batch, head.features, b * rows, rows, head.gx);
            if (head.g_context)
                scatter_rows(layout.g_context(b), head.batch, head.context, b * rows, rows, head.g_context);
            if (head.mode == BACK_BY_INVERSION)
                scatter_rows(layout.current(b), head.batch, head.features, b * rows, rows, head.recovered);
        }
    }
}

// -- the doors ------------------------------------------------------------------------------------------

struct Call {
    std::vector<Step> steps;
    std::vector<Targets> targets;
    std::deque<Masked> masked;              // whose arrays steps point at
    std::deque<std::vector<float>> planar;  // the same
    Plan plan;

    Call(const whole* words, const double* numbers) {
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
        read_steps(in);
        divide();
    }

    void read_steps(Reader& in) {
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
                read_conditioned(step, in, targets.back().data(), masked.back(), plan.head);
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

// floats that RUN_AND_KEEP keeps for BACK
whole saved_size(const whole* words, const double* numbers) {
    const Call call(words, numbers);
    return Layout(call.plan).saved_size();
}

void run(const whole* words, const double* numbers) {
    const Call call(words, numbers);
    if (call.plan.head.mode <= RUN_AND_KEEP) forward(call.plan);
    else backward(call.plan);
}
