#pragma once
#include "core/code_map.h"

namespace qlora::cuda {

__device__ inline int search_code(const float* map, float x) {
  int pivot = kSearchPivot, low = kSearchLow, high = kSearchHigh;
#pragma unroll
  for (int step = kSearchStep; step > 0; step /= 2) search_step(map, x, step, pivot, low, high);
  return search_end(map, x, pivot, low, high);
}

}  // namespace qlora::cuda
