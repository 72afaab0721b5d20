#include "cuda/code_search.cuh"
#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

__global__ void mean_kernel(const float* x, int64_t n, float* mean) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) sum += x[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *mean = n > 0 ? static_cast<float>(sum / static_cast<double>(n)) : 0.0f;
}

__global__ void nested_kernel(const float* x, const float* code_map, uint8_t* q, float* maxima,
                              const float* offset, int64_t n, int64_t blocksize) {
  const int64_t first = blockIdx.x * blocksize, last = min(first + blocksize, n);
  const float mean = *offset;
  float most = 0;
  for (int64_t i = first + threadIdx.x; i < last; i += kThreads) most = fmaxf(most, fabsf(x[i] - mean));
  most = block_max(most);
  if (threadIdx.x == 0) maxima[blockIdx.x] = most;
  const float reciprocal = most > 0 ? 1.0f / most : 0.0f;
  for (int64_t i = first + threadIdx.x; i < last; i += kThreads)
    q[i] = search_code(code_map, (x[i] - mean) * reciprocal);
}

}  // namespace

void CudaOps::quantize_absmax(const Tensor& absmax, const Tensor& code_map, const Tensor& q,
                              const Tensor& nested_absmax, const Tensor& offset, int64_t blocksize) {
  const int64_t n = absmax.numel();
  float* mean = offset.data<float>();
  mean_kernel<<<1, 1024, 0, context_.stream>>>(absmax.data<float>(), n, mean);
  check_launch();
  if (n == 0) return;
  nested_kernel<<<blocks_for(n, blocksize), kThreads, 0, context_.stream>>>(
      absmax.data<float>(), code_map.data<float>(), q.data<uint8_t>(), nested_absmax.data<float>(), mean, n,
      blocksize);
  check_launch();
}

}  // namespace qlora::cuda
