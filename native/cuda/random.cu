#include <cmath>

#include "cuda/launch.cuh"
#include "cuda/philox.cuh"

namespace qlora::cuda {

void CudaOps::random_uniform(const Tensor& out, double low, double high, int64_t seed, int64_t stream) {
  const View to(out);
  const float base = static_cast<float>(low), range = static_cast<float>(high - low);
  const PhiloxKey key{seed, stream, 0};
  const int64_t n = out.numel();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    uint32_t words[8];
    float y[8];
    random_words8(key, i, words);
    for (int j = 0; j < 8; j++) y[j] = base + range * unit_interval(words[j]);
    to.store8(i, n, y);
  });
}

void CudaOps::random_normal(const Tensor& out, double mean, double std, int64_t seed, int64_t stream) {
  const View to(out);
  const float center = static_cast<float>(mean), scale = static_cast<float>(std);
  const PhiloxKey key{seed, stream, 0};
  const int64_t n = out.numel();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    uint32_t words[8];
    float y[8];
    random_words8(key, i, words);
    for (int j = 0; j < 8; j += 2) {
      const float radius = sqrtf(-2.0f * logf(1.0f - unit_interval(words[j])));
      float sine, cosine;
      sincosf(6.28318531f * unit_interval(words[j + 1]), &sine, &cosine);
      y[j] = center + scale * (radius * cosine);
      y[j + 1] = center + scale * (radius * sine);
    }
    to.store8(i, n, y);
  });
}

}  // namespace qlora::cuda
