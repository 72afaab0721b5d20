#include <cmath>

#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

void CpuOps::argmax_rows(const Tensor& x, const Tensor& out) {
  FloatView from(x);
  int64_t rows = x.rows(), cols = x.cols();
  int32_t* first = out.data<int32_t>();
  parallel_for(rows, row_grain(cols), [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(cols);
    for (int64_t i = begin; i < end; i++) {
      const float* row = from.read(i * cols, cols, buffer.data());
      float most = -INFINITY;
      first[i] = 0;
      for (int64_t j = 0; j < cols; j++) {
        if (row[j] > most) {
          most = row[j];
          first[i] = static_cast<int32_t>(j);
        }
      }
    }
  });
}

}  // namespace qlora::QLORA_ISA
