#include "cuda/column_sums.cuh"

namespace qlora::cuda {

void CudaOps::dot_columns(const Tensor& a, const Tensor& b, const Tensor& out, double beta) {
  const View left(a), right(b);
  const int64_t cols = a.cols();
  column_sums(context_, a.rows(), cols, out, beta, [=] __device__(int64_t i, int64_t j) {
    return left.load(i * cols + j) * right.load(i * cols + j);
  });
}

}  // namespace qlora::cuda
