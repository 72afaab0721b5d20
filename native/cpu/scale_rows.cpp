#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

void CpuOps::scale_rows(const Tensor& x, const Tensor& scale, const Tensor& out, bool per_column) {
  FloatView from(x), to(out);
  int64_t cols = x.cols(), scales = scale.numel();
  std::vector<float> scale_buffer(scales);
  const float* s = FloatView(scale).read(0, scales, scale_buffer.data());
  parallel_for(x.rows(), row_grain(cols), [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(cols);
    for (int64_t i = begin; i < end; i++) {
      const float* a = from.read(i * cols, cols, buffer.data());
      float* y = to.place(i * cols, buffer.data());
      if (per_column) {
        QLORA_INDEPENDENT
        for (int64_t j = 0; j < cols; j++) y[j] = a[j] * s[j];
      } else {
        float factor = s[i];
        QLORA_INDEPENDENT
        for (int64_t j = 0; j < cols; j++) y[j] = a[j] * factor;
      }
      to.write(i * cols, cols, y);
    }
  });
}

}  // namespace qlora::QLORA_ISA
