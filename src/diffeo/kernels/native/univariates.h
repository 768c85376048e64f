// Scalar maps on vectors of rows: values, log-slopes, and gradients for both directions.
//
// With y = f(x; p) and l = log df/dx, `f` and its partial derivatives serve both directions:
// gradients (gy, gl) of the forward map give gx = gy f_x + gl l_x and gp = gy f_p + gl l_p. The
// inverse map returns x and -l, so its gradients (gx, gl) are those of the forward map for
// gy' = -(gx - gl l_x) / f_x and gl' = -gl, and the gradient of its input is -gy'.

constexpr float LOG_BOUND = 6.90775528f;  // log 1000
constexpr int MOST_BINS = 64;

struct Univariate {
    enum Kind { AFFINE = 0, SPLINE = 1 } kind;
    int params;  // per scalar
    bool inverted;
    // of splines
    int bins;
    float low, high, least;
};

// parameter k of one scalar, LANES rows at once
struct Params {
    float* data;
    long stride;
    INLINE vec operator[](int k) const { return load(data + k * stride); }
    INLINE void set(int k, vec value) const { store(data + k * stride, value); }
};

struct Mapped {
    vec value, log_slope;
};

INLINE vec soft_bound(vec raw) { return LOG_BOUND * hyperbolic_tangent(raw * (1 / LOG_BOUND)); }

// -- affine ------------------------------------------------------------------------------------

INLINE Mapped affine(const Univariate& u, vec x, Params p) {
    const vec log_scale = soft_bound(p[1]);
    if (u.inverted) return {(x - p[0]) * exponential(-log_scale), -log_scale};
    return {x * exponential(log_scale) + p[0], log_scale};
}

// x is the input of the direction that ran
INLINE vec affine_gradient(const Univariate& u, vec x, Params p, vec gy, vec gl, Params g) {
    const vec t = hyperbolic_tangent(p[1] * (1 / LOG_BOUND));
    const vec log_scale = LOG_BOUND * t;
    const vec bend = 1.0f - t * t;
    if (u.inverted) {
        const vec scale = exponential(-log_scale);
        g.set(0, -gy * scale);
        g.set(1, -(gy * (x - p[0]) * scale + gl) * bend);
        return gy * scale;
    }
    const vec scale = exponential(log_scale);
    g.set(0, gy);
    g.set(1, (gy * x * scale + gl) * bend);
    return gy * scale;
}

// -- rational-quadratic spline -------------------------------------------------------------------

struct Knots {
    vec width[MOST_BINS], height[MOST_BINS];  // shares of the interval
    vec x0, x1, y0, y1;                       // ends of the bin
    vec raw0, raw1;                           // slopes there, before their bound
    ivec bin;
};

INLINE void shares(const Univariate& u, Params p, int from, vec* out) {
    vec most = p[from];
    for (int k = 1; k < u.bins; ++k) most = larger(most, p[from + k]);
    vec sum{};
    for (int k = 0; k < u.bins; ++k) sum += out[k] = exponential(p[from + k] - most);
    const vec scale = (1.0f - u.least * u.bins) / sum;
    for (int k = 0; k < u.bins; ++k) out[k] = u.least + out[k] * scale;
}

// the bin that holds `value` of x, or of y where `by_height`
INLINE void find_bin(const Univariate& u, vec value, Params p, bool by_height, Knots& knots) {
    shares(u, p, 0, knots.width);
    shares(u, p, u.bins, knots.height);
    const float length = u.high - u.low;
    vec across = knots.width[0], up = knots.height[0];
    knots.x0 = knots.y0 = splat(u.low);
    knots.x1 = u.low + length * across;
    knots.y1 = u.low + length * up;
    knots.raw0 = vec{};
    knots.raw1 = p[2 * u.bins];
    knots.bin = ivec{};
    vec x = knots.x1, y = knots.y1;
    for (int k = 1; k < u.bins; ++k) {
        const bool last = k == u.bins - 1;
        across += knots.width[k];
        up += knots.height[k];
        const vec next_x = last ? splat(u.high) : u.low + length * across;
        const vec next_y = last ? splat(u.high) : u.low + length * up;
        const ivec beyond = value >= (by_height ? y : x);
        knots.x0 = beyond ? x : knots.x0;
        knots.y0 = beyond ? y : knots.y0;
        knots.x1 = beyond ? next_x : knots.x1;
        knots.y1 = beyond ? next_y : knots.y1;
        knots.raw0 = beyond ? p[2 * u.bins + k - 1] : knots.raw0;
        knots.raw1 = beyond ? (last ? vec{} : p[2 * u.bins + k]) : knots.raw1;
        knots.bin -= beyond;  // true is -1
        x = next_x;
        y = next_y;
    }
}

INLINE Mapped spline(const Univariate& u, vec value, Params p) {
    const vec inner = smaller(larger(value, splat(u.low)), splat(u.high));
    const ivec inside = (value > u.low) & (value < u.high);
    Knots knots;
    find_bin(u, inner, p, u.inverted, knots);
    const vec width = knots.x1 - knots.x0, height = knots.y1 - knots.y0;
    const vec s = height / width;
    const vec d0 = exponential(soft_bound(knots.raw0)), d1 = exponential(soft_bound(knots.raw1));
    vec t, out;
    if (u.inverted) {
        const vec e = (inner - knots.y0) / height, rest = 1.0f - e;
        const vec q = d0 * rest - d1 * e;
        const vec root = absolute(q) + square_root(q * q + 4.0f * s * s * e * rest);
        const vec twice = 2.0f * s;
        t = q >= 0.0f ? twice * e / (twice * e + root) : root / (root + twice * rest);
        out = knots.x0 + t * width;
    } else {
        t = (inner - knots.x0) / width;
    }
    const vec rest = 1.0f - t, cross = t * rest;
    const vec below = s + (d0 + d1 - 2.0f * s) * cross;
    if (!u.inverted) out = knots.y0 + height * (s * t * t + d0 * cross) / below;
    const vec above = d1 * t * t + 2.0f * s * cross + d0 * rest * rest;
    const vec ratio = s / below;
    const vec log_slope = logarithm(ratio * ratio * above);
    const vec nan = value == value ? vec{} : value;
    const vec signed_slope = u.inverted ? -log_slope : log_slope;
    return {(inside ? out : value), (inside ? signed_slope : vec{}) + nan};
}

// gradient of the shares' logits, given that of each share: `far` for bins before the one that
// holds the value, `here` for that one
INLINE void shares_gradient(const Univariate& u, const vec* share, ivec bin, vec far, vec here,
                            Params g, int from) {
    const float scale = 1.0f - u.least * u.bins;
    vec mean{};
    for (int k = 0; k < u.bins; ++k) {
        const vec each = bin > k ? far : bin == k ? here : vec{};
        mean += each * (share[k] - u.least);
    }
    mean *= 1.0f / scale;
    for (int k = 0; k < u.bins; ++k) {
        const vec each = bin > k ? far : bin == k ? here : vec{};
        g.set(from + k, (share[k] - u.least) * (each - mean));
    }
}

// x is the input of the direction that ran; `out` what it gave
INLINE vec spline_gradient(const Univariate& u, vec value, vec out, Params p, vec gy, vec gl,
                           Params g) {
    const vec from = u.inverted ? out : value;
    const vec x = smaller(larger(from, splat(u.low)), splat(u.high));
    const ivec inside = (value > u.low) & (value < u.high);
    Knots knots;
    // by the input of the direction that ran, so that rounding cannot choose another bin
    find_bin(u, smaller(larger(value, splat(u.low)), splat(u.high)), p, u.inverted, knots);
    const vec width = knots.x1 - knots.x0, height = knots.y1 - knots.y0;
    const vec across = 1.0f / width;
    const vec s = height * across;
    const vec tanh0 = hyperbolic_tangent(knots.raw0 * (1 / LOG_BOUND));
    const vec tanh1 = hyperbolic_tangent(knots.raw1 * (1 / LOG_BOUND));
    const vec d0 = exponential(LOG_BOUND * tanh0), d1 = exponential(LOG_BOUND * tanh1);
    const vec t = (x - knots.x0) * across, rest = 1.0f - t, cross = t * rest;
    const vec below = s + (d0 + d1 - 2.0f * s) * cross;
    const vec above = d1 * t * t + 2.0f * s * cross + d0 * rest * rest;
    const vec by_below = 1.0f / below, by_above = 1.0f / above;
    const vec share = (s * t * t + d0 * cross) * by_below;
    // partial derivatives of y and of l = log dy/dx, with x in units of the bin
    const vec y_t = height * s * above * by_below * by_below;
    const vec below_t = (d0 + d1 - 2.0f * s) * (rest - t);
    const vec above_t = 2.0f * (d1 * t + s * (rest - t) - d0 * rest);
    const vec below_s = 1.0f - 2.0f * cross;
    const vec l_t = above_t * by_above - 2.0f * below_t * by_below;
    const vec y_s = height * (t * t - share * below_s) * by_below;
    const vec l_s = 2.0f / s + 2.0f * (cross * by_above - below_s * by_below);
    const vec y_0 = height * cross * (1.0f - share) * by_below;
    const vec y_1 = -height * cross * share * by_below;
    const vec l_0 = rest * rest * by_above - 2.0f * cross * by_below;
    const vec l_1 = t * t * by_above - 2.0f * cross * by_below;

    vec a = gy, c = gl;
    if (u.inverted) {
        a = -(gy - gl * l_t * across) / (y_t * across);
        c = -gl;
    }
    // outside the interval the map is the identity, whatever its parameters
    a = inside ? a : vec{};
    c = inside ? c : vec{};
    const vec g_t = a * y_t + c * l_t;
    const vec g_s = a * y_s + c * l_s;
    const vec g_height = a * share + g_s * across;
    const vec g_width = -(g_s * s + g_t * t) * across;
    const vec g_x0 = -g_t * across;
    const float length = u.high - u.low;
    shares_gradient(u, knots.width, knots.bin, length * g_x0, length * g_width, g, 0);
    shares_gradient(u, knots.height, knots.bin, length * a, length * g_height, g, u.bins);
    const vec g_0 = (a * y_0 + c * l_0) * d0 * (1.0f - tanh0 * tanh0);
    const vec g_1 = (a * y_1 + c * l_1) * d1 * (1.0f - tanh1 * tanh1);
    for (int k = 0; k < u.bins - 1; ++k)
        g.set(2 * u.bins + k, knots.bin == k + 1 ? g_0 : knots.bin == k ? g_1 : vec{});
    const vec g_inside = u.inverted ? -a : g_t * across;
    return inside ? g_inside : gy;
}

INLINE Mapped map(const Univariate& u, vec x, Params p) {
    return u.kind == Univariate::AFFINE ? affine(u, x, p) : spline(u, x, p);
}

INLINE vec map_gradient(const Univariate& u, vec x, vec out, Params p, vec gy, vec gl, Params g) {
    if (u.kind == Univariate::AFFINE) return affine_gradient(u, x, p, gy, gl, g);
    return spline_gradient(u, x, out, p, gy, gl, g);
}
