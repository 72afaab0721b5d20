#include "cpu/reduce.h"

namespace qlora::QLORA_ISA {

void CpuOps::sum_rows(const Tensor& x, const Tensor& out, double beta) {
  FloatView from(x);
  int64_t cols = x.cols();
  auto sums = column_sums(x.rows(), cols, [&](int64_t i, float* sum, float* scratch) {
    const float* a = from.read(i * cols, cols, scratch);
    QLORA_INDEPENDENT
    for (int64_t j = 0; j < cols; j++) sum[j] += a[j];
  });
  store_sums(sums, out, beta);
}

}  // namespace qlora::QLORA_ISA
