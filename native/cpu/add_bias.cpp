#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

void CpuOps::add_bias(const Tensor& x, const Tensor& bias, const Tensor& out) {
  FloatView from(x), to(out);
  int64_t cols = x.cols();
  std::vector<float> bias_buffer(cols);
  const float* b = FloatView(bias).read(0, cols, bias_buffer.data());
  parallel_for(x.rows(), row_grain(cols), [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(cols);
    for (int64_t i = begin; i < end; i++) {
      const float* a = from.read(i * cols, cols, buffer.data());
      float* y = to.place(i * cols, buffer.data());
      QLORA_INDEPENDENT
      for (int64_t j = 0; j < cols; j++) y[j] = a[j] + b[j];
      to.write(i * cols, cols, y);
    }
  });
}

}  // namespace qlora::QLORA_ISA
