#include "cuda/launch.cuh"

namespace qlora::cuda {

void CudaOps::copy_columns(const Tensor& x, const Tensor& out, int64_t column, bool transpose, double scale) {
  const View from(x), to(out);
  const int64_t rows = out.shape[0], cols = x.shape[transpose ? 0 : 1], stride = out.shape[1];
  const auto factor = static_cast<float>(scale);
  if (transpose || cols % 8 != 0 || stride % 8 != 0 || column % 8 != 0) {
    launch_each(context_, rows * cols, [=] __device__(int64_t i) {
      const int64_t row = i / cols, j = i % cols;
      to.store(row * stride + column + j, factor * from.load(transpose ? j * rows + row : i));
    });
    return;
  }
  const int64_t n = rows * cols, end = rows * stride;
  launch_each8(context_, n, [=] __device__(int64_t i) {
    float values[8];
    from.load8(i, n, values);
    for (int e = 0; e < 8; e++) values[e] *= factor;
    to.store8(i / cols * stride + column + i % cols, end, values);
  });
}

}  // namespace qlora::cuda
