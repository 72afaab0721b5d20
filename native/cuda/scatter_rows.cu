#include "cuda/rows.cuh"

namespace qlora::cuda {

void CudaOps::scatter_rows(const Tensor& x, const Tensor& index, const Tensor& out) {
  if (index.numel() == 0) return;
  move_rows<<<static_cast<unsigned>(index.numel()), kThreads, 0, context_.stream>>>(
      x.data<char>(), index.data<int32_t>(), out.data<char>(), out.shape[0],
      x.shape[1] * static_cast<int64_t>(size_of(x.dtype)), false, context_.fault);
  check_launch();
}

}  // namespace qlora::cuda
