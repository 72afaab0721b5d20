#pragma once
#include <cuda_runtime.h>

#include "core/backend.h"
#include "cuda/context.h"

namespace qlora::cuda {

/** Recorded operations as one CUDA graph. */
class CudaRecording final : public Recording {
 public:
  /**
   * Runs the tasks with the stream in capture mode, on the one thread that enqueues. Throws the error of a
   * task.
   */
  CudaRecording(std::vector<Task> tasks, const Context& context);
  ~CudaRecording() override;
  void launch(cudaStream_t stream) const;

 private:
  void capture(const Context& context);
  static void run(const std::vector<Task>& tasks, const Context& context);

  cudaStream_t stream_;
  CudaAllocator& allocator_;
  CudaAllocator::Held held_;  // scratch memory of the operations: each replay writes to it
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace qlora::cuda
