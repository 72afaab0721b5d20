#pragma once
#include "core/philox.h"

namespace qlora::cuda {

/** The words of counter (count, stream, substream, 0). */
__device__ inline void philox(const PhiloxKey& key, uint32_t count, uint32_t* words) {
  uint32_t a = count, b = static_cast<uint32_t>(key.stream), c = static_cast<uint32_t>(key.substream), d = 0;
  PhiloxRoundKey round_key(key);
#pragma unroll
  for (int round = 0; round < kPhiloxRounds; round++) {
    philox_round(round_key, a, b, c, d);
    round_key.next();
  }
  words[0] = a, words[1] = b, words[2] = c, words[3] = d;
}

/** Words of the elements [i, i + 8), i a multiple of 8. */
__device__ inline void random_words8(const PhiloxKey& key, int64_t i, uint32_t* words) {
  philox(key, static_cast<uint32_t>(i / 4), words);
  philox(key, static_cast<uint32_t>(i / 4) + 1, words + 4);
}

}  // namespace qlora::cuda
