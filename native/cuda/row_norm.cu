#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

__global__ void row_norm_kernel(View x, View out, int64_t cols, bool inverse) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * cols;
  double squares = 0;
  for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) {
    const double a = x.load(first + j);
    squares += a * a;
  }
  const double length = sqrt(block_sum(squares));
  if (threadIdx.x == 0) out.store(blockIdx.x, static_cast<float>(inverse ? 1 / length : length));
}

}  // namespace

void CudaOps::row_norm(const Tensor& x, const Tensor& out, bool inverse) {
  if (x.rows() == 0) return;
  row_norm_kernel<<<static_cast<unsigned>(x.rows()), kThreads, 0, context_.stream>>>(View(x), View(out),
                                                                                     x.cols(), inverse);
  check_launch();
}

}  // namespace qlora::cuda
