#pragma once
#include <cstdint>

namespace qlora::cuda {

struct PhiloxKey {
  int64_t seed, stream, substream;
};

/** Philox4x32-10 (Salmon et al., SC 2011): the words of counter (count, stream, substream, 0), as
 * cpu/philox.h. */
__device__ inline void philox(const PhiloxKey& key, uint32_t count, uint32_t* words) {
  uint32_t a = count, b = static_cast<uint32_t>(key.stream), c = static_cast<uint32_t>(key.substream), d = 0;
  uint32_t k0 = static_cast<uint32_t>(key.seed),
           k1 = static_cast<uint32_t>(static_cast<uint64_t>(key.seed) >> 32);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint64_t p = static_cast<uint64_t>(a) * 0xD2511F53u, q = static_cast<uint64_t>(c) * 0xCD9E8D57u;
    a = static_cast<uint32_t>(q >> 32) ^ b ^ k0;
    b = static_cast<uint32_t>(q);
    c = static_cast<uint32_t>(p >> 32) ^ d ^ k1;
    d = static_cast<uint32_t>(p);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = a, words[1] = b, words[2] = c, words[3] = d;
}

/** Words of the elements [i, i + 8), i a multiple of 8. */
__device__ inline void random_words8(const PhiloxKey& key, int64_t i, uint32_t* words) {
  philox(key, static_cast<uint32_t>(i / 4), words);
  philox(key, static_cast<uint32_t>(i / 4) + 1, words + 4);
}

/** The top 24 bits as a float in [0, 1). */
__device__ inline float unit_interval(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

}  // namespace qlora::cuda
