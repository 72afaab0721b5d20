#pragma once
#include <cstdint>

#include "core/philox.h"
#include "cpu/cpu_ops.h"

namespace qlora::QLORA_ISA {

/** Words [4 * i .. 4 * i + 3] of the counters (first + i, stream, substream, 0), i < kPhiloxBlock. */
constexpr int kPhiloxBlock = 64;

inline void philox(const PhiloxKey& key, uint32_t first, uint32_t* words) {
  uint32_t a[kPhiloxBlock], b[kPhiloxBlock], c[kPhiloxBlock], d[kPhiloxBlock];
  for (int i = 0; i < kPhiloxBlock; i++) {
    a[i] = first + static_cast<uint32_t>(i);
    b[i] = static_cast<uint32_t>(key.stream);
    c[i] = static_cast<uint32_t>(key.substream);
    d[i] = 0;
  }
  PhiloxRoundKey round_key(key);
  for (int round = 0; round < kPhiloxRounds; round++) {
    for (int i = 0; i < kPhiloxBlock; i++) philox_round(round_key, a[i], b[i], c[i], d[i]);
    round_key.next();
  }
  for (int i = 0; i < kPhiloxBlock; i++) {
    words[4 * i] = a[i];
    words[4 * i + 1] = b[i];
    words[4 * i + 2] = c[i];
    words[4 * i + 3] = d[i];
  }
}

/** Words of elements [i, i + n), i a multiple of 4; words has room for n rounded up to a multiple of 4 *
 * kPhiloxBlock. */
inline void random_words(const PhiloxKey& key, int64_t i, int64_t n, uint32_t* words) {
  for (int64_t done = 0; done < n; done += 4 * kPhiloxBlock) {
    philox(key, static_cast<uint32_t>((i + done) / 4), words + done);
  }
}

}  // namespace qlora::QLORA_ISA
