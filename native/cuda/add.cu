#include "cuda/launch.cuh"

namespace qlora::cuda {

void CudaOps::add(const Tensor& a, const Tensor& b, const Tensor& out, double alpha) {
  const View left(a), right(b), to(out);
  const float factor = static_cast<float>(alpha);
  const int64_t n = a.numel();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    float u[8], v[8];
    left.load8(i, n, u);
    right.load8(i, n, v);
    for (int j = 0; j < 8; j++) u[j] += factor * v[j];
    to.store8(i, n, u);
  });
}

}  // namespace qlora::cuda
