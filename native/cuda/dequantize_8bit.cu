#include "cuda/eight_bit.cuh"

namespace qlora::cuda {

void dequantize(const Context& context, const Tensor& codes, const Tensor& maxima, View out) {
  const int8_t* from = codes.data<int8_t>();
  const float* most = maxima.data<float>();
  const int64_t n = codes.numel(), cols = codes.shape[1];
  const bool whole_words = reinterpret_cast<uintptr_t>(from) % 8 == 0;
  launch_each8(context, n, [=] __device__(int64_t i) {
    float x[8];
    int8_t code[8];
    if (whole_words && i + 8 <= n) {
      *reinterpret_cast<uint2*>(code) = *reinterpret_cast<const uint2*>(from + i);
    } else {
      for (int j = 0; j < 8; j++) code[j] = i + j < n ? from[i + j] : int8_t{0};
    }
    int64_t row = i / cols, end = (row + 1) * cols;
    float factor = most[row] * kInverse127;
    for (int j = 0; j < 8; j++) {
      if (i + j >= end && i + j < n) {
        row = (i + j) / cols;
        end = (row + 1) * cols;
        factor = most[row] * kInverse127;
      }
      x[j] = static_cast<float>(code[j]) * factor;
    }
    out.store8(i, n, x);
  });
}

void CudaOps::dequantize_8bit(const Tensor& codes, const Tensor& maxima, const Tensor& out) {
  dequantize(context_, codes, maxima, View(out));
}

}  // namespace qlora::cuda
