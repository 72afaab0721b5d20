#include "cuda/allocator.h"

#include <algorithm>

#include "cuda/error.h"

namespace qlora::cuda {

CudaAllocator::CudaAllocator(int device, cudaStream_t stream) : device_(device), stream_(stream) {
  cudaMemPoolProps props{};
  props.allocType = cudaMemAllocationTypePinned;
  props.location = {cudaMemLocationTypeDevice, device};
  check(cudaMemPoolCreate(&pool_, &props), "[cuda] memory pool");
  uint64_t keep = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "[cuda] memory pool");
}

void* CudaAllocator::allocate(size_t bytes) {
  std::lock_guard lock(mutex_);
  void* data = nullptr;
  cudaError_t status = cudaMallocFromPoolAsync(&data, bytes, pool_, stream_);
  if (status ==
      cudaErrorMemoryAllocation) {  // what the pool keeps may be in pieces too small: give it back, try again
    cudaGetLastError();
    cudaStreamSynchronize(stream_);
    cudaMemPoolTrimTo(pool_, 0);
    status = cudaMallocFromPoolAsync(&data, bytes, pool_, stream_);
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    fail("out of memory on cuda:", device_, ": wanted ", bytes, " bytes with ", allocated_,
         " bytes in tensors; ", free, " of ", total,
         " bytes are free. A smaller batch, shorter sequences or gradient checkpointing need less");
  }
  check(status, "[cuda] allocate");
  allocated_ += bytes;
  peak_ = std::max(peak_, allocated_);
  return data;
}

void CudaAllocator::release(void* data, size_t bytes) {
  std::lock_guard lock(mutex_);
  cudaSetDevice(device_);
  cudaFreeAsync(data, stream_);
  allocated_ -= bytes;
}

MemoryStats CudaAllocator::stats() const {
  std::lock_guard lock(mutex_);
  uint64_t reserved = 0;
  cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemCurrent, &reserved);
  return {allocated_, peak_, std::max<size_t>(reserved, allocated_)};
}

void CudaAllocator::reset_peak() {
  std::lock_guard lock(mutex_);
  peak_ = allocated_;
}

void CudaAllocator::empty_cache() {
  std::lock_guard lock(mutex_);
  check(cudaStreamSynchronize(stream_), "[cuda] empty_cache");
  check(cudaMemPoolTrimTo(pool_, 0), "[cuda] empty_cache");
}

}  // namespace qlora::cuda
