#pragma once
#include <cuda_runtime.h>

#include <map>
#include <mutex>

#include "core/tensor.h"

namespace qlora::cuda {

/**
 * Page-locked host memory at the same address for the host and the GPU: copies from it are asynchronous, and
 * kernels may read and write it in place over the bus. What is released is kept for reuse, for locking pages
 * takes milliseconds; the next owner's work comes later in the same stream, so nothing waits.
 */
class PinnedAllocator final : public Allocator {
 public:
  explicit PinnedAllocator(cudaStream_t stream) : stream_(stream) {}
  void* allocate(size_t bytes) override;
  void release(void* data, size_t bytes) override;
  MemoryStats stats() const override;
  void reset_peak() override;
  void empty_cache() override;

 private:
  void* take_kept(size_t& size);
  void free_kept();

  const cudaStream_t stream_;
  mutable std::mutex mutex_;
  std::map<void*, size_t> used_;
  std::multimap<size_t, void*> kept_;  // by size
  size_t allocated_ = 0, peak_ = 0, kept_bytes_ = 0;
};

}  // namespace qlora::cuda
