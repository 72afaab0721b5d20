#pragma once
#include "cuda/launch.cuh"

namespace qlora::cuda {

/** Rows of `bytes` bytes. */
struct Rows {
  const char* from;
  char* to;
  int64_t bytes;
};

/** Copies rows from row at[i] to row i (gather) or from i to at[i], block (i, side); a row that does not
 * exist is a fault. */
static __global__ void move_rows(Rows first, Rows second, const int32_t* at, int64_t rows, bool gather,
                                 Fault* fault) {
  wait_for_previous();
  const auto [from, to, bytes] = blockIdx.y == 0 ? first : second;
  const int64_t i = blockIdx.x;
  const int32_t row = at[i];
  if (row < 0 || row >= rows) {
    if (threadIdx.x == 0)
      raise(fault, gather ? FaultKind::gather_rows : FaultKind::scatter_rows, i, row, rows);
    return;
  }
  const char* source = from + (gather ? row : i) * bytes;
  char* target = to + (gather ? i : row) * bytes;
  if (((reinterpret_cast<uintptr_t>(from) | reinterpret_cast<uintptr_t>(to) | static_cast<uintptr_t>(bytes)) &
       15) == 0) {
    for (int64_t j = threadIdx.x; j < bytes / 16; j += blockDim.x)
      reinterpret_cast<uint4*>(target)[j] = reinterpret_cast<const uint4*>(source)[j];
  } else {
    for (int64_t j = threadIdx.x; j < bytes; j += blockDim.x) target[j] = source[j];
  }
}

}  // namespace qlora::cuda
