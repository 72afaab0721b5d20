#include <cmath>

#include "cpu/reduce.h"

namespace qlora::QLORA_ISA {

void CpuOps::row_norm(const Tensor& x, const Tensor& out, bool inverse) {
  FloatView from(x);
  int64_t rows = x.rows(), cols = x.cols();
  std::vector<float> norm(rows);
  parallel_for(rows, row_grain(cols), [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(cols);
    for (int64_t i = begin; i < end; i++) {
      double length = std::sqrt(sum_squares(from.read(i * cols, cols, buffer.data()), cols));
      norm[i] = static_cast<float>(inverse ? 1 / length : length);
    }
  });
  FloatView(out).write(0, rows, norm.data());
}

}  // namespace qlora::QLORA_ISA
