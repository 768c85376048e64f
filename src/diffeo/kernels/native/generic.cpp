#define DIFFEO_NAMESPACE diffeo_generic
#define DIFFEO_LANES 4
constexpr int TILE_ROWS = 4, TILE_VECTORS = 2;
#include "instructions.h"
