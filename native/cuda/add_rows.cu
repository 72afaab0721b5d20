#include "cuda/launch.cuh"

namespace qlora::cuda {

// Each thread has a column and adds its rows in order: atomic additions would give different bits on every
// run.
void CudaOps::add_rows(const Tensor& x, const Tensor& index, const Tensor& out) {
  const View from(x), sums(out);
  const int64_t n = index.numel(), cols = x.shape[1], rows = out.shape[0];
  const int32_t* at = index.data<int32_t>();
  Fault* fault = context_.fault;
  launch_each(context_, cols, [=] __device__(int64_t j) {
    for (int64_t i = 0; i < n; i++) {
      const int32_t row = at[i];
      if (row < 0) continue;
      if (row >= rows) {
        if (j == 0) raise(fault, FaultKind::add_rows, i, row, rows);
        continue;
      }
      sums.store(row * cols + j, sums.load(row * cols + j) + from.load(i * cols + j));
    }
  });
}

}  // namespace qlora::cuda
