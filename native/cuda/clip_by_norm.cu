#include "cuda/update.cuh"

namespace qlora::cuda {

void CudaOps::clip_by_norm(const TensorList& tensors, const Tensor& norm, double max_norm) {
  const Clip clip(norm, max_norm);
  launch_each_entry<1>(context_, {&tensors},
                       [=] __device__(const TensorTable<1>& table, int t, int64_t i, int64_t n) {
                         const float factor = clip.factor();
                         if (factor == 1.0f) return;
                         float x[8];
                         table.views[0][t].load8(i, n, x);
                         for (int j = 0; j < 8; j++) x[j] *= factor;
                         table.views[0][t].store8(i, n, x);
                       });
}

}  // namespace qlora::cuda
