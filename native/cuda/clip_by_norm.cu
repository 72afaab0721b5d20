#include "cuda/tensor_table.cuh"

namespace qlora::cuda {

namespace {

__global__ void clip_kernel(const __grid_constant__ TensorTable table, const float* norm, float max_norm) {
  const float factor = max_norm / (*norm + 1e-6f);
  if (factor >= 1.0f) return;  // a NaN norm makes every gradient NaN, as torch does
  const View& x = table.views[blockIdx.y];
  const int64_t n = table.counts[blockIdx.y];
  for (int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 8; i < n;
       i += static_cast<int64_t>(gridDim.x) * kThreads * 8) {
    float values[8];
    x.load8(i, n, values);
    for (int j = 0; j < 8; j++) values[j] *= factor;
    x.store8(i, n, values);
  }
}

}  // namespace

void CudaOps::clip_by_norm(const TensorList& tensors, const Tensor& norm, double max_norm) {
  for_tables(tensors, [&](const TensorTable& table, int used) {
    clip_kernel<<<dim3(64, static_cast<unsigned>(used)), kThreads, 0, context_.stream>>>(
        table, norm.data<float>(), static_cast<float>(max_norm));
    check_launch();
  });
}

}  // namespace qlora::cuda
