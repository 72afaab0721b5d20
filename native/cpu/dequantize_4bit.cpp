#include "cpu/four_bit.h"

namespace qlora::QLORA_ISA {

void CpuOps::dequantize_4bit(const Tensor& codes, const BlockMaxima& maxima, const Tensor& out,
                             const std::string& quant_type, int64_t blocksize, int64_t in_features) {
  const FourBit matrix{
      codes.data<uint8_t>(), Maxima(maxima), code_values(quant_type), blocksize, DType::f32, DType::f32};
  const FloatView view(out);
  if (in_features != 0 && in_features < out.cols()) {
    const int64_t stride = out.cols();
    parallel_for(out.rows(), row_grain(stride), [&](int64_t begin, int64_t end) {
      float buffer[kTile];
      for (int64_t row = begin; row < end; row++)
        for (int64_t j = 0; j < stride;) {
          const bool inside = j < in_features;
          const int64_t n = std::min(kTile, (inside ? in_features : stride) - j);
          if (inside)
            matrix.read(row * in_features + j, n, buffer);
          else
            std::fill(buffer, buffer + n, 0.0f);
          view.write(row * stride + j, n, buffer);
          j += n;
        }
    });
    return;
  }
  for_tiles(out.numel(), [&](int64_t i, int64_t n) {
    float buffer[kTile];
    float* y = view.place(i, buffer);
    matrix.read(i, n, y);
    view.write(i, n, y);
  });
}

}  // namespace qlora::QLORA_ISA
