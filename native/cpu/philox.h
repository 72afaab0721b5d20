#pragma once
#include <cstdint>

#include "cpu/cpu_ops.h"

namespace qlora::QLORA_ISA {

/**
 * Philox4x32-10 (Salmon et al., SC 2011): words [4 * i .. 4 * i + 3] of the counters (first + i, stream,
 * substream, 0), i < kPhiloxBlock. key = seed.
 */
constexpr int kPhiloxBlock = 64;

struct PhiloxKey {
  int64_t seed, stream, substream;
};

inline void philox(const PhiloxKey& key, uint32_t first, uint32_t* words) {
  uint32_t a[kPhiloxBlock], b[kPhiloxBlock], c[kPhiloxBlock], d[kPhiloxBlock];
  for (int i = 0; i < kPhiloxBlock; i++) {
    a[i] = first + static_cast<uint32_t>(i);
    b[i] = static_cast<uint32_t>(key.stream);
    c[i] = static_cast<uint32_t>(key.substream);
    d[i] = 0;
  }
  uint32_t k0 = static_cast<uint32_t>(key.seed);
  uint32_t k1 = static_cast<uint32_t>(static_cast<uint64_t>(key.seed) >> 32);
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < kPhiloxBlock; i++) {
      uint64_t p = static_cast<uint64_t>(a[i]) * 0xD2511F53u;
      uint64_t q = static_cast<uint64_t>(c[i]) * 0xCD9E8D57u;
      a[i] = static_cast<uint32_t>(q >> 32) ^ b[i] ^ k0;
      b[i] = static_cast<uint32_t>(q);
      c[i] = static_cast<uint32_t>(p >> 32) ^ d[i] ^ k1;
      d[i] = static_cast<uint32_t>(p);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
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

/** The top 24 bits as a float in [0, 1). */
inline float unit_interval(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word >> 8)) * 0x1p-24f;
}

}  // namespace qlora::QLORA_ISA
