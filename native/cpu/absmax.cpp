#include <cmath>

#include "cpu/code_search.h"

namespace qlora::QLORA_ISA {

void CpuOps::quantize_absmax(const Tensor& absmax, const Tensor& code_map, const Tensor& q,
                             const Tensor& nested_absmax, const Tensor& offset, int64_t blocksize) {
  const float *x = absmax.data<float>(), *map = code_map.data<float>();
  uint8_t* codes = q.data<uint8_t>();
  float* maxima = nested_absmax.data<float>();
  const int64_t n = absmax.numel();
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i];
  const float mean = n > 0 ? static_cast<float>(sum / static_cast<double>(n)) : 0.0f;
  *offset.data<float>() = mean;
  parallel_for((n + blocksize - 1) / blocksize, 16, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; block++) {
      const int64_t first = block * blocksize, last = std::min(first + blocksize, n);
      float most = 0;
      for (int64_t i = first; i < last; i++) most = std::max(most, std::fabs(x[i] - mean));
      maxima[block] = most;
      const float reciprocal = most > 0 ? 1.0f / most : 0.0f;
      for (int64_t i = first; i < last; i += kSearchBlock) {
        const int64_t count = std::min(kSearchBlock, last - i);
        float scaled[kSearchBlock];
        int32_t found[kSearchBlock];
        for (int64_t j = 0; j < count; j++) scaled[j] = (x[i + j] - mean) * reciprocal;
        search_codes(map, scaled, count, found);
        for (int64_t j = 0; j < count; j++) codes[i + j] = static_cast<uint8_t>(found[j]);
      }
    }
  });
}

}  // namespace qlora::QLORA_ISA
