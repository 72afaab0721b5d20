#include <cfloat>
#include <cmath>
#include <cstring>

#include "cuda/four_bit.cuh"

namespace qlora::cuda {

namespace {

/** Codes in the order of their values; codes[k + 1] is used if x / max is strictly above thresholds[k]. */
struct Encoder {
  int32_t codes[16];
  float thresholds[15];
};

Encoder encoder_for(const std::string& quant_type) {
  Encoder e;
  if (quant_type == "nf4") {  // midpoints; a tie goes to the lower code
    const CodeValues code = code_values(quant_type);
    for (int i = 0; i < 16; i++) e.codes[i] = i;
    for (int i = 0; i < 15; i++) e.thresholds[i] = (code.value[i] + code.value[i + 1]) * 0.5f;
    return e;
  }
  // bitsandbytes' own thresholds on |x| for FP4, five of which are not midpoints; a tie goes to the smaller
  // magnitude.
  const int32_t by_magnitude[8] = {0, 1, 6, 7, 4, 5, 2, 3};
  const uint32_t bits[7] = {0x3b2aaab9, 0x3db00000, 0x3e555555, 0x3e955555,
                            0x3ed55556, 0x3f155550, 0x3f555555};
  for (int i = 0; i < 8; i++) {
    e.codes[7 - i] = by_magnitude[i] + 8;
    e.codes[8 + i] = by_magnitude[i];
  }
  e.thresholds[7] = -FLT_MIN;  // 0 itself is not -0
  for (int i = 0; i < 7; i++) {
    float threshold;
    std::memcpy(&threshold, &bits[i], sizeof threshold);
    e.thresholds[8 + i] = threshold;
    e.thresholds[6 - i] = std::nextafter(-threshold, -INFINITY);
  }
  return e;
}

__device__ int encode(const Encoder& e, float t) {
  int found = e.codes[0];
#pragma unroll
  for (int k = 0; k < 15; k++) found = t > e.thresholds[k] ? e.codes[k + 1] : found;
  return found;
}

/** bitsandbytes is compiled with fast math: its reciprocal is this instruction and not a division. */
__device__ float reciprocal_of(float x) {
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}

__device__ float times(float x, float y) {
  float p;
  asm("mul.rn.ftz.f32 %0, %1, %2;" : "=f"(p) : "f"(x), "f"(y));
  return p;
}

/** One warp per block of values. */
__global__ void quantize_kernel(View x, uint8_t* codes, float* absmax, int64_t count, int64_t blocksize,
                                const __grid_constant__ Encoder encoder) {
  const int64_t block = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / 32,
                first = block * blocksize;
  if (first >= count) return;
  const int lane = threadIdx.x % 32;
  const int64_t end = min(first + blocksize, count);
  float most = 0;
  for (int64_t i = first + lane; i < end; i += 32) most = fmaxf(most, fabsf(x.load(i)));  // ignores NaN
  for (int offset = 16; offset > 0; offset /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, offset));
  if (lane == 0) absmax[block] = most;
  const float reciprocal = most > 0 ? reciprocal_of(most) : 0.0f;  // a block of zeros: codes of 0
  for (int64_t i = first + 2 * lane; i < end; i += 64) {
    const int high = encode(encoder, times(x.load(i), reciprocal));
    const int low = encode(encoder, i + 1 < end ? times(x.load(i + 1), reciprocal) : 0.0f);
    codes[i / 2] = static_cast<uint8_t>(high << 4 | low);
  }
}

}  // namespace

void CudaOps::quantize_4bit(const Tensor& x, const Tensor& codes, const Tensor& absmax,
                            const std::string& quant_type, int64_t blocksize) {
  const int64_t count = x.numel(), blocks = (count + blocksize - 1) / blocksize;
  if (count == 0) return;
  quantize_kernel<<<blocks_for(blocks, kThreads / 32), kThreads, 0, context_.stream>>>(
      View(x), codes.data<uint8_t>(), absmax.data<float>(), count, blocksize, encoder_for(quant_type));
  check_launch();
}

}  // namespace qlora::cuda
