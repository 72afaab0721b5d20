#pragma once
#include <cstdint>

#include "core/host_device.h"

namespace qlora::QLORA_HERE {

/**
 * bitsandbytes' search in its 256-entry map, step by step: start at these positions, with steps of 64, 32
 * .. 1. It does not always find the nearest entry: a value exactly between two entries stays where the
 * search ended.
 */
constexpr int kSearchPivot = 127, kSearchLow = 0, kSearchHigh = 255, kSearchStep = 64;

QLORA_BOTH void search_step(const float* map, float x, int step, int& pivot, int& low, int& high) {
  const bool above = x > map[pivot];
  low = above ? pivot : low;
  high = above ? high : pivot;
  pivot = above ? pivot + step : pivot - step;
}

QLORA_BOTH int search_end(const float* map, float x, int pivot, int low, int high) {
  const float entry = map[pivot];
  const bool above = x > entry;
  const int other = above ? high : low;
  const float middle = (map[other] + entry) * 0.5f;
  const bool moves = above ? x > middle : x < middle;
  return moves ? other : pivot;
}

/** The code of x in a signed map: moved by one, modulo 256, if the entry found does not have the sign of x.
 */
QLORA_BOTH int keep_sign(const float* map, float x, int code) {
  const bool differs = (map[code] < 0) != (x < 0);
  const int by = x > 0 ? 1 : -1;
  return (differs ? code + by : code) & 255;
}

}  // namespace qlora::QLORA_HERE
