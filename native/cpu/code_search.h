#pragma once
#include "core/code_map.h"
#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

/** Number of values searched at once; every step is one loop over them, which the compiler vectorizes. */
constexpr int64_t kSearchBlock = 256;

/** codes[j] = map's code of x[j], for up to kSearchBlock values. */
inline void search_codes(const float* map, const float* x, int64_t n, int32_t* codes) {
  int32_t low[kSearchBlock], high[kSearchBlock];
  for (int64_t j = 0; j < n; j++) {
    codes[j] = kSearchPivot;
    low[j] = kSearchLow;
    high[j] = kSearchHigh;
  }
  for (int step = kSearchStep; step > 0; step /= 2) {
    QLORA_INDEPENDENT
    for (int64_t j = 0; j < n; j++) search_step(map, x[j], step, codes[j], low[j], high[j]);
  }
  QLORA_INDEPENDENT
  for (int64_t j = 0; j < n; j++) codes[j] = search_end(map, x[j], codes[j], low[j], high[j]);
}

}  // namespace qlora::QLORA_ISA
