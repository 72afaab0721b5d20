#include "cuda/allocator.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "cuda/error.h"

namespace qlora::cuda {

namespace {

std::string readable(size_t bytes) {
  char text[32];
  if (bytes < (1u << 30))
    std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1u << 20));
  else
    std::snprintf(text, sizeof text, "%.2f GiB", static_cast<double>(bytes) / (1u << 30));
  return text;
}

}  // namespace

CudaAllocator::CudaAllocator(int device, cudaStream_t stream)
    : device_(device), stream_(stream), small_(device), large_(device) {}

void* CudaAllocator::allocate(size_t bytes) {
  std::lock_guard lock(mutex_);
  void* data = arena_for(bytes).allocate(bytes);
  if (!data) {  // the other arena may hold free memory
    cudaStreamSynchronize(stream_);
    small_.trim();
    large_.trim();
    data = arena_for(bytes).allocate(bytes);
  }
  if (!data) fail(shortage(bytes));
  allocated_ += bytes;
  peak_ = std::max(peak_, allocated_);
  return data;
}

/** The requested size, who holds the memory, and what would help. */
std::string CudaAllocator::shortage(size_t wanted) const {
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  const size_t elsewhere = total - std::min(total, free + allocated_);
  std::ostringstream text;
  text << "out of memory on cuda:" << device_ << ": asked for " << readable(wanted) << " with "
       << readable(allocated_) << " in tensors; " << readable(free) << " of " << readable(total)
       << " are free";
  // A context of CUDA and its libraries alone takes up to that much.
  if (elsewhere > (3ull << 29))
    text << ", " << readable(elsewhere) << " are in other use (nvidia-smi shows by whom)";
  text << ". A smaller batch, shorter sequences, gradient_checkpointing: true or a smaller r need less";
  return text.str();
}

void CudaAllocator::release(void* data, size_t bytes) {
  std::lock_guard lock(mutex_);
  if (held_) return held_->emplace_back(data, bytes), void();
  arena_for(bytes).release(data);
  allocated_ -= bytes;
}

void CudaAllocator::hold(Held* held) {
  std::lock_guard lock(mutex_);
  held_ = held;
}

void CudaAllocator::release(const Held& held) {
  for (const auto& [data, bytes] : held) release(data, bytes);
}

MemoryStats CudaAllocator::stats() const {
  std::lock_guard lock(mutex_);
  return {allocated_, peak_, small_.reserved() + large_.reserved()};
}

void CudaAllocator::reset_peak() {
  std::lock_guard lock(mutex_);
  peak_ = allocated_;
}

void CudaAllocator::empty_cache() {
  std::lock_guard lock(mutex_);
  check(cudaStreamSynchronize(stream_), "[cuda] empty_cache");
  small_.trim();
  large_.trim();
}

}  // namespace qlora::cuda
