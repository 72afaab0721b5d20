#pragma once
#include "core/eight_bit.h"
#include "cuda/launch.cuh"

// LLM.int8: codes row by row.
namespace qlora::cuda {

/** A code: x * scale to the nearest integer, ties to even. NaN, of a row of zeros or infinities, is 0. */
__device__ inline int8_t code_of(float x, float scale) {
  const float code = x * scale;
  return code == code ? static_cast<int8_t>(__float2int_rn(code)) : int8_t{0};
}

/** A row of x [.., cols], rounded to float16, as codes with its maximum: one block a row. Values of at least
 * `threshold` (> 0) do not count, and columns with a flag get codes of 0. */
__device__ inline void quantize_row(View x, int64_t row, int64_t cols, int8_t* codes, float* maximum,
                                    float threshold, const uint8_t* flags) {
  float most = 0;
  for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) {
    const float magnitude = fabsf(rounded(DType::f16, x.load(row * cols + j)));
    if (!(threshold > 0 && magnitude >= threshold)) most = fmaxf(most, magnitude);
  }
  most = block_max(most);
  if (threadIdx.x == 0) maximum[row] = most;
  const float scale = __fdiv_rn(1.0f, most) * 127.0f;
  for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) {
    const bool is_outlier = flags && flags[j];
    codes[row * cols + j] =
        is_outlier ? int8_t{0} : code_of(rounded(DType::f16, x.load(row * cols + j)), scale);
  }
}

/** out = codes * (maxima * (1 / 127)) */
void dequantize(const Context& context, const Tensor& codes, const Tensor& maxima, View out);

}  // namespace qlora::cuda
