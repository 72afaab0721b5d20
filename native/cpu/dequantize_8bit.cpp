#include "cpu/eight_bit.h"

namespace qlora::QLORA_ISA {

void CpuOps::dequantize_8bit(const Tensor& codes, const Tensor& maxima, const Tensor& out) {
  const EightBitSource source(codes, maxima, DType::f32);
  const FloatView view(out);
  const int64_t rows = codes.shape[0], cols = codes.shape[1];
  parallel_for(rows, row_grain(cols), [&](int64_t begin, int64_t end) {
    float buffer[kTile];
    for (int64_t i = begin; i < end; i++)
      for (int64_t j = 0; j < cols; j += kTile) {
        const int64_t n = std::min(kTile, cols - j);
        float* y = view.place(i * cols + j, buffer);
        source.read(i, 1, j, n, y, n);
        view.write(i * cols + j, n, y);
      }
  });
}

}  // namespace qlora::QLORA_ISA
