#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#define DIFFEO_NAMESPACE diffeo_avx512
#define DIFFEO_LANES 16
// 24 sums and 4 loaded vectors in 32 registers
constexpr int TILE_ROWS = 6, TILE_VECTORS = 4;
#include "instructions.h"
#endif
