// Vectors of floats as wide as the machine's, and the elementary functions on them.
// Included once for each instruction set, inside its own namespace.

typedef float vec __attribute__((vector_size(DIFFEO_LANES * 4), may_alias));
typedef int ivec __attribute__((vector_size(DIFFEO_LANES * 4)));

constexpr int LANES = DIFFEO_LANES;

// minus 0, not plus: the compiler may drop it
INLINE vec splat(float value) { return value - vec{}; }
INLINE vec load(const float* from) { return *reinterpret_cast<const vec*>(from); }
INLINE void store(float* to, vec value) { *reinterpret_cast<vec*>(to) = value; }
INLINE ivec bits(vec value) { return (ivec)value; }
INLINE vec floats(ivec value) { return (vec)value; }
INLINE vec absolute(vec x) { return floats(bits(x) & 0x7fffffff); }
INLINE vec larger(vec a, vec b) { return a > b ? a : b; }
INLINE vec smaller(vec a, vec b) { return a < b ? a : b; }

INLINE float total(vec x) {
    float sum = 0;
    for (int i = 0; i < LANES; ++i) sum += x[i];
    return sum;
}

INLINE vec square_root(vec x) {
    vec root;
    for (int i = 0; i < LANES; ++i) root[i] = __builtin_sqrtf(x[i]);
    return root;
}

// exp(x) = 2^n exp(r), |r| <= log(2) / 2, with a polynomial for exp(r); about one ulp.
// Arguments are clamped to the range of normal floats; NaN stays NaN.
INLINE vec exponential(vec x) {
    const vec inside = smaller(larger(x, splat(-87.0f)), splat(88.0f));
    const float shifter = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    const vec rounded = inside * 1.44269504f + shifter;
    const vec n = rounded - shifter;
    const vec r = (inside - n * 0.693359375f) + n * 2.12194440e-4f;
    vec p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const ivec power = (bits(rounded) - bits(splat(shifter))) << 23;
    const vec result = floats(bits(p) + power);
    return x == x ? result : x;
}

// log(x) for positive normal x, from the exponent and a polynomial in the mantissa; 0 gives -87.3.
INLINE vec logarithm(vec x) {
    const vec positive = larger(x, splat(1.17549435e-38f));
    const ivec raw = bits(positive);
    // mantissa in [sqrt(1/2), sqrt(2))
    const ivec shifted = raw - 0x3f3504f3;
    const ivec exponent = shifted >> 23;
    const vec m = floats(raw - (exponent << 23)) - 1.0f;
    const vec e = __builtin_convertvector(exponent, vec);
    vec p = splat(7.0376836292e-2f);
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    const vec square = m * m;
    vec y = p * m * square;
    y += e * -2.12194440e-4f;
    y -= 0.5f * square;
    const vec result = m + y + e * 0.693359375f;
    return x == x ? result : x;
}

INLINE vec hyperbolic_tangent(vec x) {
    const vec size = absolute(x);
    const vec square = x * x;
    // near 0 the quotient of exponentials would cancel
    vec p = splat(-5.70498872745e-3f);
    p = p * square + 2.06390887954e-2f;
    p = p * square - 5.37397155531e-2f;
    p = p * square + 1.33314422036e-1f;
    p = p * square - 3.33332819422e-1f;
    const vec near = x + x * square * p;
    const vec far = 1.0f - 2.0f / (exponential(2.0f * size) + 1.0f);
    const vec signed_far = floats(bits(far) | (bits(x) & (int)0x80000000));
    return size < 0.625f ? near : signed_far;
}

// 1 / x for x >= 1: an estimate of 14 bits and one step of Newton's, where there is one
INLINE vec reciprocal(vec x) {
#if DIFFEO_LANES == 16
    const vec estimate = (vec)_mm512_rcp14_ps((__m512)x);
    return estimate * (2.0f - x * estimate);
#else
    return 1.0f / x;
#endif
}

INLINE vec sigmoid(vec x) { return reciprocal(1.0f + exponential(-x)); }
