#include "cpu/reduce.h"

namespace qlora::QLORA_ISA {

void CpuOps::dot_columns(const Tensor& a, const Tensor& b, const Tensor& out, double beta) {
  FloatView left(a), right(b);
  int64_t cols = a.cols();
  auto sums = column_sums(a.rows(), cols, [&](int64_t i, float* sum, float* scratch) {
    const float* u = left.read(i * cols, cols, scratch);
    const float* v = right.read(i * cols, cols, scratch + cols);
    QLORA_INDEPENDENT
    for (int64_t j = 0; j < cols; j++) sum[j] += u[j] * v[j];
  });
  store_sums(sums, out, beta);
}

}  // namespace qlora::QLORA_ISA
