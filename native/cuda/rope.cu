#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

/** One block per token: its angles are made once and used by every head. */
__global__ void rope_kernel(View x, const int32_t* positions, const float* inv_freq, View out, int64_t cols,
                            int head_dim, int half, float cos_scale, float sin_scale) {
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
  const auto turn = [&](float& first, float& second, int j) {
    const float a = first, b = second, cosine = angles[j], sine = angles[half + j];
    first = rounded(x.dtype, a * cosine) + rounded(x.dtype, -b * sine);
    second = rounded(x.dtype, b * cosine) + rounded(x.dtype, a * sine);
  };
  // What lies behind the pairs of a head stays as it is.
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
      float first = x.load(i), second = x.load(i + half);
      turn(first, second, j);
      out.store(i, first);
      out.store(i + half, second);
    }
    return;
  }
  for (int64_t pair = threadIdx.x * 8; pair < pairs; pair += blockDim.x * 8) {
    const int j = static_cast<int>(pair % half);
    const int64_t i = token * cols + pair / half * head_dim + j, end = (token + 1) * cols;
    float first[8], second[8];
    x.load8(i, end, first);
    x.load8(i + half, end, second);
#pragma unroll
    for (int e = 0; e < 8; e++) turn(first[e], second[e], j + e);
    out.store8(i, end, first);
    out.store8(i + half, end, second);
  }
}

}  // namespace

void CudaOps::rope(const Tensor& x, const Tensor& positions, const Tensor& inv_freq, const Tensor& out,
                   int64_t head_dim, double scaling, bool inverse) {
  if (x.numel() == 0) return;
  const float scale = static_cast<float>(scaling);
  const int half = static_cast<int>(inv_freq.numel());
  const auto threads =
      static_cast<unsigned>(std::clamp<int64_t>((x.cols() / 16 + 31) / 32 * 32, 32, kThreads));
  rope_kernel<<<static_cast<unsigned>(x.rows()), threads, static_cast<size_t>(2 * half) * sizeof(float),
                context_.stream>>>(View(x), positions.data<int32_t>(), inv_freq.data<float>(), View(out),
                                   x.cols(), static_cast<int>(head_dim), half, scale,
                                   inverse ? -scale : scale);
  check_launch();
}

}  // namespace qlora::cuda
