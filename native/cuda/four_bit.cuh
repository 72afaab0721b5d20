#pragma once
#include <string>

#include "cuda/launch.cuh"

// bitsandbytes' 4-bit blocks: element i of the flattened matrix is code[nibble i] * absmax[i / blocksize],
// the even element in the high nibble.
namespace qlora::cuda {

struct CodeValues {
  float value[16];
};

/** The 16 values of a quant_type, "nf4" or "fp4". */
inline CodeValues code_values(const std::string& quant_type) {
  if (quant_type == "nf4") {
    return {{-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
             -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
             0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
             0.7229568362236023f, 1.0f}};
  }
  return {{0.0f, 0.0625f / 12, 8.0f / 12, 1.0f, 4.0f / 12, 0.5f, 2.0f / 12, 0.25f, -0.0f, -0.0625f / 12,
           -8.0f / 12, -1.0f, -4.0f / 12, -0.5f, -2.0f / 12, -0.25f}};
}

/** out = code * absmax, rounded to weight_dtype and then to out's dtype. */
void dequantize(const Context& context, const uint8_t* codes, const float* absmax, View out, int64_t n,
                const std::string& quant_type, int64_t blocksize, DType weight_dtype);

}  // namespace qlora::cuda
