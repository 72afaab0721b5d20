#pragma once
#include <map>
#include <mutex>
#include <vector>

#include "core/tensor.h"

namespace qlora {

/**
 * 64-byte aligned host memory. Released blocks are cached by size for reuse, since mapping new pages costs
 * more than most operations.
 */
class CpuAllocator final : public Allocator {
 public:
  void* allocate(size_t bytes) override;
  void release(void* data, size_t bytes) override;
  MemoryStats stats() const override;
  void reset_peak() override;
  void empty_cache() override;

  /**
   * The size that `bytes` bytes occupy. It is rounded up, so that batches of slightly different length
   * share blocks: to 64 B; above 64 KiB to 1/16 of the power of two below.
   */
  static size_t rounded(size_t bytes);

 private:
  void empty_cache_locked();

  mutable std::mutex mutex_;
  std::multimap<size_t, void*> cache_;
  size_t allocated_ = 0, peak_ = 0, cached_ = 0;
};

}  // namespace qlora
