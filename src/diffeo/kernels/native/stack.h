// A whole stack of layers over a batch: rows in blocks, blocks shared among threads.
//
// Layer by layer, each thread takes its blocks through one layer while the layer's weights are in
// its cache. Rows never meet, so threads wait for each other only to add up weight gradients.

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

// The threads that came; OpenMP may send fewer than were asked for, and sends one in nested regions.
struct Share {
    whole thread = thread_number(), threads = threads_here(), begin, end;

    explicit Share(whole blocks) {
        begin = blocks * thread / threads;
        end = blocks * (thread + 1) / threads;
    }
};

// -- the two passes ----------------------------------------------------------------------------------

Arena& thread_arena() {
    thread_local Arena arena;
    return arena;
}

void forward(const Plan& plan) {
    Layout layout(plan);
    Workspace workspace(layout);
    const Widths widths(plan);
    const Header& head = plan.head;
    const bool keep = head.mode == RUN_AND_KEEP;
#pragma omp parallel num_threads(plan.threads)
    {
        const Share share(plan.blocks);
        const long rows = plan.rows();
        Scratch scratch = take_scratch(thread_arena(), widths, rows);
        for (whole b = share.begin; b < share.end; ++b) {
            gather_rows(head.x, head.batch, head.features, b * rows, rows,
                        keep ? layout.z(0, b) : layout.current(b));
            gather_rows(head.context_rows, head.batch, head.context, b * rows, rows, layout.context(b));
            std::memset(layout.ladj(b), 0, rows * 4);
        }
        for (whole s = 0; s < head.steps; ++s)
            for (whole b = share.begin; b < share.end; ++b) forward_step(layout, s, b, scratch);
        for (whole b = share.begin; b < share.end; ++b) {
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
        const Share share(plan.blocks);
        const long rows = plan.rows();
        Scratch scratch = take_scratch(thread_arena(), widths, rows);
        for (whole b = share.begin; b < share.end; ++b) {
            gather_rows(head.gy, head.batch, head.features, b * rows, rows, layout.gradient(b));
            gather_rows(head.gl, head.batch, 1, b * rows, rows, layout.ladj(b));
            gather_rows(head.context_rows, head.batch, head.context, b * rows, rows, layout.context(b));
            std::memset(layout.g_context(b), 0, padded(head.context) * rows * 4);
            if (head.mode == BACK_BY_INVERSION)
                gather_rows(head.y, head.batch, head.features, b * rows, rows, layout.current(b));
        }
        for (whole s = head.steps - 1; s >= 0; --s) {
            float** set = sums.data() + (s % 2) * plan.threads;
            std::memset(set[share.thread], 0, plan.steps[s].gradients * 4);
            Step step = plan.steps[s];
            bind(step, set[share.thread]);
            for (whole b = share.begin; b < share.end; ++b) backward_step(layout, step, s, b, set[share.thread], scratch);
#pragma omp barrier
            deliver(step, plan.targets[s].data(), {set, share.threads}, share.thread, share.threads);
        }
        for (whole b = share.begin; b < share.end; ++b) {
            scatter_rows(layout.gradient(b), head.batch, head.features, b * rows, rows, head.gx);
            if (head.g_context)
                scatter_rows(layout.g_context(b), head.batch, head.context, b * rows, rows, head.g_context);
            if (head.mode == BACK_BY_INVERSION)
                scatter_rows(layout.current(b), head.batch, head.features, b * rows, rows, head.recovered);
        }
    }
}

// floats that RUN_AND_KEEP keeps for BACK
whole saved_size(const whole* words, const double* numbers) {
    const Call call(words, numbers, false);
    return Layout(call.plan).saved_size();
}

void run(const whole* words, const double* numbers) {
    const Call call(words, numbers, true);
    if (call.plan.head.mode <= RUN_AND_KEEP) forward(call.plan);
    else backward(call.plan);
}
