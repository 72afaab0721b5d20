#include "cuda/joins.h"
#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

/** What is rotated: heads of [tokens, cols]. */
struct Side {
  View x, out;
  int64_t cols;
};

/** Block (token, side): the token's angles are made once and used by every head. */
__global__ void rope_kernel(Side first, Side second, const int32_t* positions, const float* inv_freq,
                            int head_dim, int half, float cos_scale, float sin_scale) {
  wait_for_previous();
  const View x = blockIdx.y == 0 ? first.x : second.x, out = blockIdx.y == 0 ? first.out : second.out;
  const int64_t cols = blockIdx.y == 0 ? first.cols : second.cols;
  extern __shared__ float angles[];  // cos [half], sin [half]
  const int64_t token = blockIdx.x;
  const float position = static_cast<float>(positions[token]);
  for (int j = threadIdx.x; j < half; j += blockDim.x) {
    float sine, cosine;
    sincosf(position * inv_freq[j], &sine, &cosine);
    angles[j] = rounded(x.dtype, cosine * cos_scale);
    angles[half + j] = rounded(x.dtype, sine * sin_scale);
  }
  __syncthreads();
  const auto turn = [&](float& low, float& high, int j) {
    const float a = low, b = high, cosine = angles[j], sine = angles[half + j];
    low = rounded(x.dtype, a * cosine) + rounded(x.dtype, -b * sine);
    high = rounded(x.dtype, b * cosine) + rounded(x.dtype, a * sine);
  };
  // The numbers of a head after the rotated ones are unchanged.
  const int rest = head_dim - 2 * half;
  if (rest > 0 && out.data != x.data)
    for (int64_t i = threadIdx.x; i < cols / head_dim * rest; i += blockDim.x) {
      const int64_t at = token * cols + i / rest * head_dim + 2 * half + i % rest;
      out.store(at, x.load(at));
    }
  const int64_t pairs = cols / head_dim * half;
  if (half % 8 != 0 || head_dim % 8 != 0) {
    for (int64_t pair = threadIdx.x; pair < pairs; pair += blockDim.x) {
      const int j = static_cast<int>(pair % half);
      const int64_t i = token * cols + pair / half * head_dim + j;
      float low = x.load(i), high = x.load(i + half);
      turn(low, high, j);
      out.store(i, low);
      out.store(i + half, high);
    }
    return;
  }
  for (int64_t pair = threadIdx.x * 8; pair < pairs; pair += blockDim.x * 8) {
    const int j = static_cast<int>(pair % half);
    const int64_t i = token * cols + pair / half * head_dim + j, end = (token + 1) * cols;
    float low[8], high[8];
    x.load8(i, end, low);
    x.load8(i + half, end, high);
#pragma unroll
    for (int e = 0; e < 8; e++) turn(low[e], high[e], j + e);
    out.store8(i, end, low);
    out.store8(i + half, end, high);
  }
}

}  // namespace

void run(const Context& context, const Rotation& call, const Rotation* other) {
  const float scale = static_cast<float>(call.scaling);
  const int half = static_cast<int>(call.inv_freq.numel());
  const auto side = [](const Rotation& r) { return Side{View(r.x), View(r.out), r.x.cols()}; };
  const Side first = side(call), second = other ? side(*other) : first;
  const auto threads = static_cast<unsigned>(
      std::clamp<int64_t>((std::max(first.cols, second.cols) / 16 + 31) / 32 * 32, 32, kThreads));
  launch_overlapping(context, rope_kernel, dim3(static_cast<unsigned>(call.x.rows()), other ? 2 : 1), threads,
                     static_cast<size_t>(2 * half) * sizeof(float), first, second,
                     call.positions.data<int32_t>(), call.inv_freq.data<float>(),
                     static_cast<int>(call.head_dim), half, scale, call.inverse ? -scale : scale);
}

void CudaOps::rope(const Tensor& x, const Tensor& positions, const Tensor& inv_freq, const Tensor& out,
                   int64_t head_dim, double scaling, bool inverse) {
  if (x.numel() == 0) return;
  context_.joins.join(context_, Rotation{x, positions, inv_freq, out, head_dim, scaling, inverse});
}

}  // namespace qlora::cuda
