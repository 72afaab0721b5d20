#include "cuda/joins.h"
#include "cuda/rows.cuh"

namespace qlora::cuda {

void run(const Context& context, const Scattering& call, const Scattering* other) {
  const auto rows = [](const Scattering& s) {
    return Rows{s.x.data<char>(), s.out.data<char>(),
                s.x.shape[1] * static_cast<int64_t>(size_of(s.x.dtype))};
  };
  launch_overlapping(context, move_rows, dim3(static_cast<unsigned>(call.index.numel()), other ? 2 : 1),
                     kThreads, 0, rows(call), rows(other ? *other : call), call.index.data<int32_t>(),
                     call.out.shape[0], false, context.fault);
}

void CudaOps::scatter_rows(const Tensor& x, const Tensor& index, const Tensor& out) {
  if (index.numel() == 0) return;
  context_.joins.join(context_, Scattering{x, index, out});
}

}  // namespace qlora::cuda
