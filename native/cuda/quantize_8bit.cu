#include "cuda/eight_bit.cuh"

namespace qlora::cuda {

namespace {

__global__ void quantize_kernel(View x, int64_t cols, int8_t* codes, float* maxima) {
  quantize_row(x, blockIdx.x, cols, codes, maxima, 0, nullptr);
}

}  // namespace

/** With a true division, as bitsandbytes divides on the CPU: the codes are the same on every device. */
void CudaOps::quantize_8bit(const Tensor& x, const Tensor& codes, const Tensor& maxima) {
  if (x.shape[0] == 0) return;
  quantize_kernel<<<static_cast<unsigned>(x.shape[0]), kThreads, 0, context_.stream>>>(
      View(x), x.shape[1], codes.data<int8_t>(), maxima.data<float>());
  check_launch();
}

}  // namespace qlora::cuda
