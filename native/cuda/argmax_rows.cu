#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

__global__ void argmax_rows_kernel(View x, int32_t* out, int64_t cols) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * cols;
  float most = -INFINITY;
  for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) most = fmaxf(most, x.load(first + j));
  const float largest = block_max(most);
  __shared__ int place;
  if (threadIdx.x == 0) place = 0x7fffffff;
  __syncthreads();
  for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) {
    if (x.load(first + j) != largest) continue;
    atomicMin(&place, static_cast<int>(j));
    break;
  }
  __syncthreads();
  if (threadIdx.x == 0) out[blockIdx.x] = place == 0x7fffffff ? 0 : place;
}

}  // namespace

void CudaOps::argmax_rows(const Tensor& x, const Tensor& out) {
  if (x.rows() == 0) return;
  argmax_rows_kernel<<<static_cast<unsigned>(x.rows()), kThreads, 0, context_.stream>>>(
      View(x), out.data<int32_t>(), x.cols());
  check_launch();
}

}  // namespace qlora::cuda
