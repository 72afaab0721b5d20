#include "cuda/launch.cuh"

namespace qlora::cuda {

void CudaOps::copy(const Tensor& x, const Tensor& out) {
  if (x.numel() == 0) return;
  if (x.dtype == out.dtype) {
    check(cudaMemcpyAsync(out.data<char>(), x.data<char>(), x.bytes(), cudaMemcpyDeviceToDevice,
                          context_.stream),
          "[copy]");
    return;
  }
  const View from(x), to(out);
  const int64_t n = x.numel();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    float values[8];
    from.load8(i, n, values);
    to.store8(i, n, values);
  });
}

}  // namespace qlora::cuda
