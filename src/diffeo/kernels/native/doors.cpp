// The library's C interface; it chooses the widest instruction set that the machine has.

#define DOOR extern "C" __attribute__((visibility("default")))

#define DECLARE(NAME)                                                \
    namespace NAME {                                                 \
    void run_stack(const long long*, const double*);                 \
    long long stack_saves(const long long*, const double*);          \
    }

DECLARE(diffeo_generic)
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define DIFFEO_X86 1
DECLARE(diffeo_avx2)
DECLARE(diffeo_avx512)
#endif

namespace {

struct Kernels {
    void (*run)(const long long*, const double*);
    long long (*saves)(const long long*, const double*);
    int lanes;
};

Kernels choose() {
#ifdef DIFFEO_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return {diffeo_avx512::run_stack, diffeo_avx512::stack_saves, 16};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return {diffeo_avx2::run_stack, diffeo_avx2::stack_saves, 8};
#endif
    return {diffeo_generic::run_stack, diffeo_generic::stack_saves, 4};
}

Kernels& kernels() {
    static Kernels chosen = choose();
    return chosen;
}

}  // namespace

// Counts the changes of what the words of a description mean; library.py expects the same number.
DOOR int diffeo_interface() { return 1; }

// Runs a stack; 0 on success, 1 where memory is short.
DOOR int diffeo_run(const long long* words, const double* numbers) {
    try {
        kernels().run(words, numbers);
        return 0;
    } catch (...) {
        return 1;
    }
}

// Floats that a stack keeps for its backward pass; -1 where memory is short.
DOOR long long diffeo_saves(const long long* words, const double* numbers) {
    try {
        return kernels().saves(words, numbers);
    } catch (...) {
        return -1;
    }
}

// For tests: take a narrower instruction set (lanes 4, 8 or 16); returns the one in use.
DOOR int diffeo_lanes(int lanes) {
#ifdef DIFFEO_X86
    if (lanes == 4) kernels() = {diffeo_generic::run_stack, diffeo_generic::stack_saves, 4};
    if (lanes == 8 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        kernels() = {diffeo_avx2::run_stack, diffeo_avx2::stack_saves, 8};
    if (lanes == 16) kernels() = choose();
#else
    (void)lanes;
#endif
    return kernels().lanes;
}
