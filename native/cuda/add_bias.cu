#include "cuda/launch.cuh"

namespace qlora::cuda {

void CudaOps::add_bias(const Tensor& x, const Tensor& bias, const Tensor& out) {
  const View from(x), added(bias), to(out);
  const int64_t n = x.numel(), cols = x.cols();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    float a[8];
    from.load8(i, n, a);
    for (int j = 0; j < 8; j++) a[j] += i + j < n ? added.load((i + j) % cols) : 0.0f;
    to.store8(i, n, a);
  });
}

}  // namespace qlora::cuda
