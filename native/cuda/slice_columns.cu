#include "cuda/launch.cuh"

namespace qlora::cuda {

void CudaOps::slice_columns(const Tensor& x, const Tensor& out, int64_t column) {
  if (out.numel() == 0) return;
  const size_t size = size_of(x.dtype), bytes = static_cast<size_t>(out.shape[1]) * size;
  check(cudaMemcpy2DAsync(out.data<char>(), bytes, x.data<char>() + static_cast<size_t>(column) * size,
                          static_cast<size_t>(x.shape[1]) * size, bytes, static_cast<size_t>(out.shape[0]),
                          cudaMemcpyDefault, context_.stream),
        "slice_columns");
}

}  // namespace qlora::cuda
