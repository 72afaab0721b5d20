#include "cuda/context.h"

namespace qlora::cuda {

void CudaOps::start_copy(const Tensor& x, const Tensor& out) {
  if (x.numel() > 0) context_.copies.start(out.data<char>(), x.data<char>(), x.bytes());
}

void CudaOps::finish_copy(const Tensor& out) { context_.copies.finish(out.data<char>()); }

}  // namespace qlora::cuda
