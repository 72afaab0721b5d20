#ifndef QLORA_CUDNN
#include "core/error.h"
#include "cuda/cudnn_plan.h"

namespace qlora::cuda {

std::unique_ptr<Cudnn> open_cudnn(cudaStream_t, int) {
  fail("built without the cuDNN headers (scripts/setup fetches them)");
}

}  // namespace qlora::cuda
#endif
