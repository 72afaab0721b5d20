#include "cuda/four_bit.cuh"

namespace qlora::cuda {

namespace {

constexpr int kSteps = 4;  // loads in flight a thread
constexpr int64_t kPerBlock = int64_t{kThreads} * kSteps * 8;

__global__ void dequantize_kernel(const uint8_t* codes, const float* absmax, View out, int64_t n,
                                  CodeValues code, int shift, DType weight_dtype) {
  __shared__ float table[16][32];  // a copy for each lane: every look-up in its own bank
  const int lane = threadIdx.x % 32;
  for (int i = threadIdx.x; i < 16 * 32; i += kThreads) table[i / 32][i % 32] = code.value[i / 32];
  __syncthreads();
  const bool whole_words = reinterpret_cast<uintptr_t>(codes) % 4 == 0;
  const int64_t begin = blockIdx.x * kPerBlock + threadIdx.x * 8;
  uint32_t packed[kSteps];
  float scale[kSteps];
#pragma unroll
  for (int step = 0; step < kSteps; step++) {
    const int64_t i = begin + step * kThreads * 8;
    packed[step] = 0;
    scale[step] = 0;
    if (i >= n) continue;
    scale[step] = absmax[i >> shift];
    if (whole_words && i + 8 <= n) {
      packed[step] = *reinterpret_cast<const uint32_t*>(codes + i / 2);
    } else {
      for (int64_t j = i / 2; j < (n + 1) / 2 && j < i / 2 + 4; j++)
        packed[step] |= static_cast<uint32_t>(codes[j]) << (8 * (j - i / 2));
    }
  }
#pragma unroll
  for (int step = 0; step < kSteps; step++) {
    const int64_t i = begin + step * kThreads * 8;
    if (i >= n) continue;
    float x[8];
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const uint32_t byte = packed[step] >> (8 * j);
      x[2 * j] = rounded(weight_dtype, table[(byte >> 4) & 15][lane] * scale[step]);
      x[2 * j + 1] = rounded(weight_dtype, table[byte & 15][lane] * scale[step]);
    }
    out.store8(i, n, x);
  }
}

}  // namespace

void dequantize(const Context& context, const uint8_t* codes, const float* absmax, View out, int64_t n,
                const std::string& quant_type, int64_t blocksize, DType weight_dtype) {
  if (n == 0) return;
  int shift = 0;
  while ((int64_t{1} << shift) < blocksize) shift++;
  // The store rounds to out's dtype anyway: where that is weight_dtype, once is enough.
  const DType first = weight_dtype == out.dtype ? DType::f32 : weight_dtype;
  dequantize_kernel<<<blocks_for(n, kPerBlock), kThreads, 0, context.stream>>>(
      codes, absmax, out, n, code_values(quant_type), shift, first);
  check_launch();
}

void CudaOps::dequantize_4bit(const Tensor& codes, const Tensor& absmax, const Tensor& out,
                              const std::string& quant_type, int64_t blocksize) {
  dequantize(context_, codes.data<uint8_t>(), absmax.data<float>(), View(out), out.numel(), quant_type,
             blocksize, out.dtype);
}

}  // namespace qlora::cuda
