#include "cuda/rows.cuh"

namespace qlora::cuda {

void CudaOps::gather_rows(const Tensor& x, const Tensor& index, const Tensor& out) {
  if (index.numel() == 0) return;
  const Rows rows{x.data<char>(), out.data<char>(), x.shape[1] * static_cast<int64_t>(size_of(x.dtype))};
  launch_overlapping(context_, move_rows, static_cast<unsigned>(index.numel()), kThreads, 0, rows, rows,
                     index.data<int32_t>(), x.shape[0], true, context_.fault);
}

}  // namespace qlora::cuda
