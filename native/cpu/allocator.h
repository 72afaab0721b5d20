#pragma once
#include <map>
#include <mutex>
#include <vector>

#include "core/tensor.h"

namespace qlora {

/** 64-byte aligned host memory; released blocks are kept by size for reuse, since mapping fresh pages costs
 * more than most operations. */
class CpuAllocator final : public Allocator {
 public:
  void* allocate(size_t bytes) override;
  void release(void* data, size_t bytes) override;
  MemoryStats stats() const override;
  void reset_peak() override;
  void empty_cache() override;

  /** What so many bytes take. Rounded so that batches of slightly different length share blocks: to 64 B,
   * above 64 KiB to 1/16 of their power of two. */
  static size_t rounded(size_t bytes);

 private:
  void empty_cache_locked();

  mutable std::mutex mutex_;
  std::multimap<size_t, void*> cache_;
  size_t allocated_ = 0, peak_ = 0, cached_ = 0;
};

}  // namespace qlora
