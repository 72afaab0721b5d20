#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

void CpuOps::gather_rows(const Tensor& x, const Tensor& index, const Tensor& out) {
  int64_t rows = x.shape[0], n = index.numel();
  size_t bytes = static_cast<size_t>(x.shape[1]) * size_of(x.dtype);
  const int32_t* at = index.data<int32_t>();
  for (int64_t i = 0; i < n; i++) {
    if (at[i] < 0 || at[i] >= rows)
      fail("[gather_rows] index[", i, "] is ", at[i], "; x has ", rows, " rows");
  }
  const char* from = x.data<char>();
  char* to = out.data<char>();
  parallel_for(n, row_grain(x.shape[1]), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) std::memcpy(to + i * bytes, from + at[i] * bytes, bytes);
  });
}

}  // namespace qlora::QLORA_ISA
