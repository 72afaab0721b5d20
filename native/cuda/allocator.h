#pragma once
#include <cuda_runtime.h>

#include <mutex>
#include <utility>
#include <vector>

#include "core/tensor.h"
#include "cuda/arena.h"

namespace qlora::cuda {

/**
 * Device memory in the order of one stream: released memory can be reused at once, since the operations
 * that used it come first. Small blocks have an arena of their own, so that they do not fragment the large
 * ones.
 */
class CudaAllocator final : public Allocator {
 public:
  /** Blocks that were released but must not be reused yet. */
  using Held = std::vector<std::pair<void*, size_t>>;

  CudaAllocator(int device, cudaStream_t stream);
  void* allocate(size_t bytes) override;
  void release(void* data, size_t bytes) override;
  MemoryStats stats() const override;
  void reset_peak() override;
  void empty_cache() override;

  /** From now on released blocks go to `held` and still count as allocated; null ends this. */
  void hold(Held* held);
  void release(const Held& held);

 private:
  static constexpr size_t kSmall = size_t{1} << 20;

  Arena& arena_for(size_t bytes) { return bytes < kSmall ? small_ : large_; }
  std::string shortage(size_t wanted) const;

  const int device_;
  const cudaStream_t stream_;
  Arena small_, large_;
  mutable std::mutex mutex_;
  size_t allocated_ = 0, peak_ = 0;
  Held* held_ = nullptr;
};

}  // namespace qlora::cuda
