#include <vector>

#include "cpu/eight_bit.h"

namespace qlora::QLORA_ISA {

void CpuOps::quantize_8bit(const Tensor& x, const Tensor& codes, const Tensor& maxima) {
  const FloatView view(x);
  const int64_t rows = x.shape[0], cols = x.shape[1];
  int8_t* to = codes.data<int8_t>();
  float* most = maxima.data<float>();
  parallel_for(rows, row_grain(cols), [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(cols);
    for (int64_t i = begin; i < end; i++) {
      const float* values = view.read(i * cols, cols, buffer.data());
      if (values != buffer.data()) std::copy(values, values + cols, buffer.data());
      round_to(DType::f16, buffer.data(), cols);
      float largest = 0;
      for (const float h : buffer) largest = std::max(largest, std::fabs(h));
      most[i] = largest;
      const float scale = 1.0f / largest * 127.0f;
      for (int64_t j = 0; j < cols; j++) to[i * cols + j] = code_of(buffer[j], scale);
    }
  });
}

}  // namespace qlora::QLORA_ISA
