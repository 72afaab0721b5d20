#pragma once
#include <cstdint>

#include "core/host_device.h"

namespace qlora::QLORA_HERE {

struct PhiloxKey {
  int64_t seed, stream, substream;
};

/** Philox4x32-10 (Salmon et al., SC 2011): ten rounds, each with a key of its own. */
struct PhiloxRoundKey {
  uint32_t low, high;

  QLORA_BOTH explicit PhiloxRoundKey(const PhiloxKey& key)
      : low(static_cast<uint32_t>(key.seed)),
        high(static_cast<uint32_t>(static_cast<uint64_t>(key.seed) >> 32)) {}
  QLORA_BOTH void next() {
    low += 0x9E3779B9u;
    high += 0xBB67AE85u;
  }
};

constexpr int kPhiloxRounds = 10;

QLORA_BOTH void philox_round(const PhiloxRoundKey& key, uint32_t& a, uint32_t& b, uint32_t& c, uint32_t& d) {
  const uint64_t p = static_cast<uint64_t>(a) * 0xD2511F53u, q = static_cast<uint64_t>(c) * 0xCD9E8D57u;
  a = static_cast<uint32_t>(q >> 32) ^ b ^ key.low;
  b = static_cast<uint32_t>(q);
  c = static_cast<uint32_t>(p >> 32) ^ d ^ key.high;
  d = static_cast<uint32_t>(p);
}

/** The top 24 bits as a float in [0, 1). */
QLORA_BOTH float unit_interval(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word >> 8)) * 0x1p-24f;
}

}  // namespace qlora::QLORA_HERE
