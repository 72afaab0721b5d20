#include "cuda/pinned.h"

#include <algorithm>

#include "cuda/error.h"
#include "cuda/scratch.h"

namespace qlora::cuda {

namespace {

/** At the beginning of a slab, never allocated: keeps blocks of adjacent slabs from being merged. */
constexpr size_t kGap = 512;
constexpr size_t kLeastSlab = size_t{1} << 20, kLargestStep = size_t{64} << 20;

size_t address(void* data) { return reinterpret_cast<size_t>(data); }

}  // namespace

void* PinnedAllocator::allocate(size_t bytes) {
  const size_t size = pinned_bytes(std::max<size_t>(bytes, 1));
  std::lock_guard lock(mutex_);
  std::optional<size_t> begin = blocks_.take(size);
  if (!begin) {
    grow(size);
    begin = blocks_.take(size);
  }
  allocated_ += size;
  peak_ = std::max(peak_, allocated_);
  return reinterpret_cast<void*>(*begin);
}

void PinnedAllocator::release(void* data, size_t) {
  std::lock_guard lock(mutex_);
  allocated_ -= blocks_.give_back(address(data));
}

MemoryStats PinnedAllocator::stats() const {
  std::lock_guard lock(mutex_);
  return {allocated_, peak_, reserved_};
}

void PinnedAllocator::reset_peak() {
  std::lock_guard lock(mutex_);
  peak_ = allocated_;
}

void PinnedAllocator::empty_cache() {
  std::lock_guard lock(mutex_);
  free_slabs();
}

/**
 * Adds a slab with room for `bytes`: within limits as large as all existing ones together, or else just
 * large enough.
 */
void PinnedAllocator::grow(size_t bytes) {
  if (add_slab(std::max(bytes + kGap, std::clamp(reserved_, kLeastSlab, kLargestStep)))) return;
  free_slabs();
  if (add_slab(bytes + kGap)) return;
  fail("out of pinned host memory: wanted ", bytes, " bytes with ", allocated_,
       " in use; the machine's free memory or its limit on locked pages (ulimit -l) is too small");
}

/** False if the system has no such memory. */
bool PinnedAllocator::add_slab(size_t bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaHostAlloc(&data, bytes, cudaHostAllocPortable | cudaHostAllocMapped);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return false;
  }
  check(status, "[cuda] pinned host memory");
  slabs_.push_back({static_cast<char*>(data), bytes});
  blocks_.add(address(data) + kGap, bytes - kGap);
  reserved_ += bytes;
  return true;
}

/** Frees slabs without blocks in use. Kernels enqueued before a release may still use them. */
void PinnedAllocator::free_slabs() {
  check(cudaStreamSynchronize(stream_), "[cuda] pinned host memory");
  const auto is_free = [&](const Slab& slab) {
    if (!blocks_.remove(address(slab.data) + kGap, slab.bytes - kGap)) return false;
    cudaFreeHost(slab.data);
    reserved_ -= slab.bytes;
    return true;
  };
  slabs_.erase(std::remove_if(slabs_.begin(), slabs_.end(), is_free), slabs_.end());
}

}  // namespace qlora::cuda
