#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

void CpuOps::copy_columns(const Tensor& x, const Tensor& out, int64_t column, bool transpose, double scale) {
  const FloatView from(x), to(out);
  const int64_t rows = out.shape[0], cols = x.shape[transpose ? 0 : 1], stride = out.shape[1];
  const auto factor = static_cast<float>(scale);
  parallel_for(rows, row_grain(cols), [&](int64_t begin, int64_t end) {
    float buffer[kTile], element[1];
    for (int64_t i = begin; i < end; i++)
      for (int64_t j = 0; j < cols; j += kTile) {
        const int64_t n = std::min(kTile, cols - j), at = i * stride + column + j;
        if (transpose) {
          for (int64_t k = 0; k < n; k++) buffer[k] = factor * *from.read((j + k) * rows + i, 1, element);
        } else {
          const float* a = from.read(i * cols + j, n, buffer);
          for (int64_t k = 0; k < n; k++) buffer[k] = factor * a[k];
        }
        to.write(at, n, buffer);
      }
  });
}

}  // namespace qlora::QLORA_ISA
