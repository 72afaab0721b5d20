#include "cuda/launch.cuh"

namespace qlora::cuda {

void CudaOps::softcap(const Tensor& x, const Tensor& out, double cap) {
  const View from(x), to(out);
  const float most = static_cast<float>(cap);
  const int64_t n = x.numel();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    float values[8];
    from.load8(i, n, values);
    for (int j = 0; j < 8; j++) values[j] = most * tanhf(values[j] / most);
    to.store8(i, n, values);
  });
}

}  // namespace qlora::cuda
