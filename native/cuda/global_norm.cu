#include "cuda/tensor_table.cuh"

namespace qlora::cuda {

namespace {

constexpr int kParts = 64;  // blocks a tensor: fixed, so that equal inputs give equal bits on every GPU

__global__ void squares_kernel(const __grid_constant__ TensorTable<1> table, double* partial) {
  const View& x = table.views[0][blockIdx.y];
  const int64_t n = table.counts[blockIdx.y];
  double sum = 0;
  for (int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 8; i < n;
       i += kParts * kThreads * 8) {
    float values[8], squares = 0;
    x.load8(i, n, values);
    for (int j = 0; j < 8; j++) squares += values[j] * values[j];
    sum += squares;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.y * kParts + blockIdx.x] = sum;
}

__global__ void root_kernel(const double* partial, int64_t n, float* norm) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += partial[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *norm = static_cast<float>(sqrt(sum));
}

}  // namespace

void CudaOps::global_norm(const TensorList& tensors, const Tensor& norm) {
  const Scratch scratch(context_, (tensors.size() + 1) * kParts * sizeof(double));
  int64_t done = 0;
  for_tables<1>({&tensors}, [&](const TensorTable<1>& table, int used, int64_t) {
    squares_kernel<<<dim3(kParts, static_cast<unsigned>(used)), kThreads, 0, context_.stream>>>(
        table, scratch.as<double>() + done * kParts);
    check_launch();
    done += used;
  });
  root_kernel<<<1, kThreads, 0, context_.stream>>>(scratch.as<double>(), done * kParts, norm.data<float>());
  check_launch();
}

}  // namespace qlora::cuda
