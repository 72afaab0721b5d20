#include "cuda/pinned.h"

#include <algorithm>

#include "cuda/error.h"

namespace qlora::cuda {

namespace {

/** To 4 KiB, above 64 KiB to 1/16 of their power of two: few sizes, so that blocks are used again. */
size_t rounded(size_t bytes) {
  size_t step = 4096;
  while (step * 32 < bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

}  // namespace

void* PinnedAllocator::allocate(size_t bytes) {
  size_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  void* data = take_kept(size);
  if (!data) {
    cudaError_t status = cudaHostAlloc(&data, size, cudaHostAllocPortable | cudaHostAllocMapped);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      free_kept();
      status = cudaHostAlloc(&data, size, cudaHostAllocPortable | cudaHostAllocMapped);
    }
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      fail("out of pinned host memory: wanted ", size, " bytes with ", allocated_,
           " in use; the machine's free memory or its limit on locked pages (ulimit -l) is too small");
    }
    check(status, "[cuda] pinned host memory");
  }
  used_[data] = size;
  allocated_ += size;
  peak_ = std::max(peak_, allocated_);
  return data;
}

void PinnedAllocator::release(void* data, size_t) {
  std::lock_guard lock(mutex_);
  const auto found = used_.find(data);
  const size_t size = found->second;
  used_.erase(found);
  allocated_ -= size;
  kept_.emplace(size, data);
  kept_bytes_ += size;
}

MemoryStats PinnedAllocator::stats() const {
  std::lock_guard lock(mutex_);
  return {allocated_, peak_, allocated_ + kept_bytes_};
}

void PinnedAllocator::reset_peak() {
  std::lock_guard lock(mutex_);
  peak_ = allocated_;
}

void PinnedAllocator::empty_cache() {
  std::lock_guard lock(mutex_);
  free_kept();
}

/** A kept block of `size` or more, which becomes its size. */
void* PinnedAllocator::take_kept(size_t& size) {
  // Locking pages takes milliseconds: a block up to four times too large serves batches of changing length.
  auto found = kept_.lower_bound(size);
  if (found == kept_.end() || found->first > 4 * size) return nullptr;
  void* data = found->second;
  size = found->first;
  kept_.erase(found);
  kept_bytes_ -= size;
  return data;
}

/** Kernels that were enqueued before the release may still use it. */
void PinnedAllocator::free_kept() {
  check(cudaStreamSynchronize(stream_), "[cuda] pinned host memory");
  for (auto& [size, data] : kept_) cudaFreeHost(data);
  kept_.clear();
  kept_bytes_ = 0;
}

}  // namespace qlora::cuda
