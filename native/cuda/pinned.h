#pragma once
#include <cuda_runtime.h>

#include <mutex>
#include <vector>

#include "core/tensor.h"
#include "cuda/blocks.h"

namespace qlora::cuda {

/**
 * Page-locked host memory at the same address for the host and the GPU: copies from it are asynchronous,
 * and kernels can read and write it in place over the bus. It is allocated in slabs, which are divided and
 * kept, since locking pages takes a second for 4 GB. The next owner's work comes later in the same stream,
 * so nothing waits.
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
  struct Slab {
    char* data;
    size_t bytes;
  };
  void grow(size_t bytes);
  bool add_slab(size_t bytes);
  void free_slabs();

  const cudaStream_t stream_;
  mutable std::mutex mutex_;
  std::vector<Slab> slabs_;
  Blocks blocks_;  // by address
  size_t allocated_ = 0, peak_ = 0, reserved_ = 0;
};

}  // namespace qlora::cuda
