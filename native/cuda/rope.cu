#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

/** One block per token: its angles are made once and used by every head. */
__global__ void rope_kernel(View x, const int32_t* positions, const float* inv_freq, View out, int64_t cols,
                            int half, float cos_scale, float sin_scale) {
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
  for (int64_t pair = threadIdx.x; pair < cols / 2; pair += blockDim.x) {
    const int j = static_cast<int>(pair % half);
    const int64_t i = token * cols + pair / half * (2 * half) + j;
    const float first = x.load(i), second = x.load(i + half), cosine = angles[j], sine = angles[half + j];
    out.store(i, rounded(x.dtype, first * cosine) + rounded(x.dtype, -second * sine));
    out.store(i + half, rounded(x.dtype, second * cosine) + rounded(x.dtype, first * sine));
  }
}

}  // namespace

void CudaOps::rope(const Tensor& x, const Tensor& positions, const Tensor& inv_freq, const Tensor& out,
                   int64_t head_dim, double scaling, bool inverse) {
  if (x.numel() == 0) return;
  const float scale = static_cast<float>(scaling);
  const int half = static_cast<int>(head_dim / 2);
  rope_kernel<<<static_cast<unsigned>(x.rows()), kThreads, static_cast<size_t>(head_dim) * sizeof(float),
                context_.stream>>>(View(x), positions.data<int32_t>(), inv_freq.data<float>(), View(out),
                                   x.cols(), half, scale, inverse ? -scale : scale);
  check_launch();
}

}  // namespace qlora::cuda
