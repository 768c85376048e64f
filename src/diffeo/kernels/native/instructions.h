// The kernels for one instruction set; the including file names the namespace and the sizes.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <new>
#include <vector>

#if DIFFEO_LANES == 16
#include <immintrin.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

#define INLINE inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")

namespace DIFFEO_NAMESPACE {
namespace {

constexpr int MOST_PLANAR = 64;

inline long long thread_number() {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

inline long long threads_here() {
#ifdef _OPENMP
    return omp_get_num_threads();
#else
    return 1;
#endif
}

#include "vector.h"
#include "gemm.h"
#include "univariates.h"
#include "network.h"
#include "steps.h"
#include "arena.h"
#include "plan.h"
#include "gradients.h"
#include "blocks.h"
#include "stack.h"

}  // namespace

void run_stack(const long long* words, const double* numbers) { run(words, numbers); }
long long stack_saves(const long long* words, const double* numbers) {
    return saved_size(words, numbers);
}

}  // namespace DIFFEO_NAMESPACE
