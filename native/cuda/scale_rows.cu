#include "cuda/launch.cuh"

namespace qlora::cuda {

void CudaOps::scale_rows(const Tensor& x, const Tensor& scale, const Tensor& out, bool per_column) {
  const View from(x), scales(scale), to(out);
  const int64_t n = x.numel(), cols = x.cols();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    float a[8];
    from.load8(i, n, a);
    for (int j = 0; j < 8 && i + j < n; j++)
      a[j] *= scales.load(per_column ? (i + j) % cols : (i + j) / cols);
    to.store8(i, n, a);
  });
}

}  // namespace qlora::cuda
