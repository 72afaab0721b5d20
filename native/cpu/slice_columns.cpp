#include <cstring>

#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

void CpuOps::slice_columns(const Tensor& x, const Tensor& out, int64_t column) {
  const size_t size = size_of(x.dtype);
  const int64_t cols = out.shape[1];
  const size_t row = static_cast<size_t>(x.shape[1]) * size, bytes = static_cast<size_t>(cols) * size;
  const char* from = x.data<char>() + static_cast<size_t>(column) * size;
  char* to = out.data<char>();
  parallel_for(out.shape[0], row_grain(cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) std::memcpy(to + i * bytes, from + i * row, bytes);
  });
}

}  // namespace qlora::QLORA_ISA
