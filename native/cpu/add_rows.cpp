#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

// Each thread has some columns, so that rows with the same index are added in order.
void CpuOps::add_rows(const Tensor& x, const Tensor& index, const Tensor& out) {
  int64_t rows = out.shape[0], n = index.numel(), cols = x.shape[1];
  const int32_t* at = index.data<int32_t>();
  for (int64_t i = 0; i < n; i++) {
    if (at[i] >= rows) fail("[add_rows] index[", i, "] is ", at[i], "; out has ", rows, " rows");
  }
  FloatView from(x);
  float* sums = out.data<float>();
  parallel_for(cols, row_grain(n), [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(end - begin);
    for (int64_t i = 0; i < n; i++) {
      if (at[i] < 0) continue;
      const float* row = from.read(i * cols + begin, end - begin, buffer.data());
      float* sum = sums + at[i] * cols + begin;
      for (int64_t j = 0; j < end - begin; j++) sum[j] += row[j];
    }
  });
}

}  // namespace qlora::QLORA_ISA
