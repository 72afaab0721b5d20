#include <cmath>

#include "cpu/philox.h"
#include "cpu/tiles.h"
#include "cpu/vec_math.h"

namespace qlora::QLORA_ISA {

void CpuOps::random_uniform(const Tensor& out, double low, double high, int64_t seed, int64_t stream) {
  FloatView to(out);
  float base = static_cast<float>(low), range = static_cast<float>(high - low);
  for_tiles(out.numel(), [&](int64_t i, int64_t n) {
    uint32_t words[kTile];
    float buffer[kTile];
    random_words({seed, stream, 0}, i, n, words);
    float* y = to.place(i, buffer);
    for (int64_t j = 0; j < n; j++) y[j] = base + range * unit_interval(words[j]);
    to.write(i, n, y);
  });
}

void CpuOps::random_normal(const Tensor& out, double mean, double std, int64_t seed, int64_t stream) {
  FloatView to(out);
  float center = static_cast<float>(mean), scale = static_cast<float>(std);
  for_tiles(out.numel(), [&](int64_t i, int64_t n) {
    uint32_t words[kTile];
    float normal[kTile];
    random_words({seed, stream, 0}, i, n, words);
    // A pair (w0, w1): radius sqrt(-2 ln(1 - u0)) at angle 2 pi u1; the cosine comes first. 1 - u0 is never
    // 0.
    for (int64_t j = 0; j < n; j += 2) {
      float radius = std::sqrt(-2.0f * std::log(1.0f - unit_interval(words[j])));
      float sine, cosine;
      fast_sincos(6.28318531f * unit_interval(words[j + 1]), sine, cosine);
      normal[j] = center + scale * (radius * cosine);
      normal[j + 1] = center + scale * (radius * sine);
    }
    to.write(i, n, normal);
  });
}

}  // namespace qlora::QLORA_ISA
