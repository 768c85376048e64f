// Where the arrays of all blocks lie: what is kept for the backward pass, and what is worked in.

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
