#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2,fma")
#define DIFFEO_NAMESPACE diffeo_avx2
#define DIFFEO_LANES 8
// 12 sums, 2 loaded vectors and the broadcast in 16 registers
constexpr int TILE_ROWS = 6, TILE_VECTORS = 2;
#include "instructions.h"
#endif
