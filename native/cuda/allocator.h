#pragma once
#include <cuda_runtime.h>

#include <mutex>

#include "core/tensor.h"

namespace qlora::cuda {

/**
 * Device memory in the order of one stream: CUDA's own pool, which keeps what is released and can remap it to
 * other sizes, so that batches of changing length do not fragment it.
 */
class CudaAllocator final : public Allocator {
 public:
  CudaAllocator(int device, cudaStream_t stream);
  void* allocate(size_t bytes) override;
  void release(void* data, size_t bytes) override;
  MemoryStats stats() const override;
  void reset_peak() override;
  void empty_cache() override;

 private:
  const int device_;
  const cudaStream_t stream_;
  cudaMemPool_t pool_ = nullptr;
  mutable std::mutex mutex_;
  size_t allocated_ = 0, peak_ = 0;
};

}  // namespace qlora::cuda
