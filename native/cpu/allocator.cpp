#include "cpu/allocator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace qlora {

namespace {

#ifdef QLORA_POISON
constexpr bool kPoison = true;  // debug builds: a new block is filled with NaNs, to detect missing writes
#else
constexpr bool kPoison = false;
#endif

}  // namespace

size_t CpuAllocator::rounded(size_t bytes) {
  size_t step = 64;
  while (step * 32 < bytes && bytes > (64u << 10)) step *= 2;
  return (bytes + step - 1) / step * step;
}

void* CpuAllocator::allocate(size_t bytes) {
  size_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  void* data = nullptr;
  auto it = cache_.find(size);
  if (it != cache_.end()) {
    data = it->second;
    cached_ -= size;
    cache_.erase(it);
  }
  if (!data) data = std::aligned_alloc(64, size);
  if (!data) {
    empty_cache_locked();
    data = std::aligned_alloc(64, size);
  }
  if (!data) fail("out of memory: ", size, " bytes asked for, ", allocated_, " in use by tensors");
  if (kPoison) std::memset(data, 0xff, size);
  allocated_ += size;
  peak_ = std::max(peak_, allocated_);
  return data;
}

void CpuAllocator::release(void* data, size_t bytes) {
  size_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  allocated_ -= size;
  cache_.emplace(size, data);
  cached_ += size;
  // Live memory plus the cache never exceeds the peak by more than a quarter.
  while (cached_ > 0 && allocated_ + cached_ > peak_ + peak_ / 4) {
    auto largest = std::prev(cache_.end());
    std::free(largest->second);
    cached_ -= largest->first;
    cache_.erase(largest);
  }
}

MemoryStats CpuAllocator::stats() const {
  std::lock_guard lock(mutex_);
  return {allocated_, peak_, allocated_ + cached_};
}

void CpuAllocator::reset_peak() {
  std::lock_guard lock(mutex_);
  peak_ = allocated_;
}

void CpuAllocator::empty_cache_locked() {
  for (auto& [size, data] : cache_) std::free(data);
  cache_.clear();
  cached_ = 0;
}

void CpuAllocator::empty_cache() {
  std::lock_guard lock(mutex_);
  empty_cache_locked();
}

}  // namespace qlora
