#include "cuda/update.cuh"

namespace qlora::cuda {

void CudaOps::sgd(const TensorList& params, const TensorList& grads, const TensorList& buffers,
                  const OptionalTensor& norm, double max_norm, double lr, double momentum, double dampening,
                  bool nesterov, double weight_decay, bool first) {
  const SgdRule rule(lr, momentum, dampening, nesterov, weight_decay, first || buffers.empty());
  update_with_moment(context_, params, grads, buffers, Clip(norm, max_norm), rule);
}

}  // namespace qlora::cuda
