#include <cmath>

#include "cuda/launch.cuh"
#include "cuda/philox.cuh"

namespace qlora::cuda {

void CudaOps::dropout(const Tensor& x, const Tensor& out, double p, int64_t seed, int64_t stream,
                      int64_t substream) {
  const View from(x), to(out);
  const int32_t threshold = static_cast<int32_t>(std::ceil(p * 0x1p24));  // u >= p, on the 24 bits of u
  const float scale = static_cast<float>(1.0 / (1.0 - p));
  const PhiloxKey key{seed, stream, substream};
  const int64_t n = x.numel();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    uint32_t words[8];
    float a[8];
    random_words8(key, i, words);
    from.load8(i, n, a);
    for (int j = 0; j < 8; j++) a[j] = static_cast<int32_t>(words[j] >> 8) >= threshold ? a[j] * scale : 0.0f;
    to.store8(i, n, a);
  });
}

}  // namespace qlora::cuda
