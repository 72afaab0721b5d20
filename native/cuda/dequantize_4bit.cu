#include "cuda/four_bit.cuh"

namespace qlora::cuda {

namespace {

constexpr int kSteps = 4;  // loads in flight per thread
constexpr int64_t kPerBlock = int64_t{kThreads} * kSteps * 8;

/**
 * kOut: out's dtype, a constant so that nothing is decided per element. kRounds: rounds to weight_dtype
 * first. kWide: rows of `in` elements are written to rows of `stride`, the rest of which becomes 0; both
 * are multiples of 8.
 */
template <bool kNested, bool kWide, bool kRounds, DType kOut>
__global__ void dequantize_kernel(const uint8_t* codes, const Maxima maxima, View out, int64_t n,
                                  CodeValues code, DType weight_dtype, uint32_t in, uint32_t stride) {
  out.dtype = kOut;
  const bool whole_words = reinterpret_cast<uintptr_t>(codes) % 4 == 0;
  const int64_t begin = blockIdx.x * kPerBlock + threadIdx.x * 8;
  uint32_t packed[kSteps];
  Maximum<kNested> maximum[kSteps] = {};
#pragma unroll
  for (int step = 0; step < kSteps; step++) {
    const int64_t i = begin + step * kThreads * 8;
    packed[step] = 0;
    if (i >= n) continue;
    maximum[step] = Maximum<kNested>::fetch(maxima, i);
    if (whole_words && i + 8 <= n) {
      packed[step] = *reinterpret_cast<const uint32_t*>(codes + i / 2);
    } else {
      for (int64_t j = i / 2; j < (n + 1) / 2 && j < i / 2 + 4; j++)
        packed[step] |= static_cast<uint32_t>(codes[j]) << (8 * (j - i / 2));
    }
  }
  // While those loads are in flight.
  __shared__ float table[16][32];  // one copy per lane: each look-up uses its own bank
  __shared__ float map[kNested ? kThreads : 1];
  const int lane = threadIdx.x % 32;
  for (int i = threadIdx.x; i < 16 * 32; i += kThreads) table[i / 32][i % 32] = code.value[i / 32];
  float offset = 0;
  if constexpr (kNested) {
    map[threadIdx.x] = maxima.map[threadIdx.x];
    offset = *maxima.offset;
  }
  __syncthreads();
#pragma unroll
  for (int step = 0; step < kSteps; step++) {
    const int64_t i = begin + step * kThreads * 8;
    if (i >= n) continue;
    const float scale = maximum[step].value(map, offset);
    float x[8];
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const uint32_t byte = packed[step] >> (8 * j);
      x[2 * j] = table[(byte >> 4) & 15][lane] * scale;
      x[2 * j + 1] = table[byte & 15][lane] * scale;
      if constexpr (kRounds) {
        for (int k = 2 * j; k < 2 * j + 2; k++) x[k] = rounded(weight_dtype, x[k]);
      }
    }
    if constexpr (kWide) {
      const int64_t row = static_cast<uint32_t>(i) / in, end = (row + 1) * stride;
      out.store8(i + row * (stride - in), end, x);
      if ((i + 8) % in != 0) continue;
      const float zeros[8] = {};
      for (int64_t j = end - (stride - in); j < end; j += 8) out.store8(j, end, zeros);
    } else {
      out.store8(i, n, x);
    }
  }
}

template <bool kNested, bool kWide, bool kRounds>
auto dequantize_kernel_for(DType out) {
  if (out == DType::f32) return dequantize_kernel<kNested, kWide, kRounds, DType::f32>;
  if (out == DType::f16) return dequantize_kernel<kNested, kWide, kRounds, DType::f16>;
  return dequantize_kernel<kNested, kWide, kRounds, DType::bf16>;
}

template <bool kNested, bool kWide>
auto dequantize_kernel_for(DType out, bool rounds) {
  return rounds ? dequantize_kernel_for<kNested, kWide, true>(out)
                : dequantize_kernel_for<kNested, kWide, false>(out);
}

}  // namespace

void dequantize(const Context& context, const uint8_t* codes, const Maxima& maxima, View out, int64_t n,
                const std::string& quant_type, DType weight_dtype, WiderRows wider) {
  if (n == 0) return;
  // The store rounds to out's dtype anyway; if that is weight_dtype, once is enough.
  const bool rounds = weight_dtype != out.dtype && weight_dtype != DType::f32;
  const bool is_wide = wider.stride > wider.in;
  const auto kernel = is_wide ? (maxima.map ? dequantize_kernel_for<true, true>(out.dtype, rounds)
                                            : dequantize_kernel_for<false, true>(out.dtype, rounds))
                              : (maxima.map ? dequantize_kernel_for<true, false>(out.dtype, rounds)
                                            : dequantize_kernel_for<false, false>(out.dtype, rounds));
  kernel<<<blocks_for(n, kPerBlock), kThreads, 0, context.stream>>>(
      codes, maxima, out, n, code_values(quant_type), weight_dtype, wider.in, wider.stride);
  check_launch();
}

void CudaOps::dequantize_4bit(const Tensor& codes, const BlockMaxima& maxima, const Tensor& out,
                              const std::string& quant_type, int64_t blocksize, int64_t in_features) {
  const Maxima of_blocks(maxima, blocksize);
  const int64_t stride = out.cols();
  const bool is_wider = in_features != 0 && in_features < stride;
  const int64_t n = is_wider ? out.rows() * in_features : out.numel();
  if (is_wider && (n > UINT32_MAX || stride % 8 != 0))
    fail("[dequantize_4bit] out: expected columns in a multiple of 8 and fewer than 2^32 elements");
  WiderRows wider;
  if (is_wider) wider = {static_cast<uint32_t>(in_features), static_cast<uint32_t>(stride)};
  dequantize(context_, codes.data<uint8_t>(), of_blocks, View(out), n, quant_type, out.dtype, wider);
}

}  // namespace qlora::cuda
