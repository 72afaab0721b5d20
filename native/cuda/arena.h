#pragma once
#include <cstddef>
#include <vector>

#include "cuda/blocks.h"

namespace qlora::cuda {

/**
 * A growing range of a GPU's memory, allocated best fit first. Addresses for the whole GPU are reserved at
 * the start, and memory is mapped to them as needed. Free neighbours are merged. What is reserved stays
 * near the peak, and after the first training step there are no further calls to the driver. (CUDA's own
 * pool took tens of milliseconds for large blocks of changing sizes.)
 */
class Arena {
 public:
  explicit Arena(int device);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /** Null if the GPU has no memory left. */
  void* allocate(size_t bytes);
  void release(void* data);
  /** Returns free memory at the end to the driver. No running work may use it. */
  void trim();
  /** Bytes of mapped memory. */
  size_t reserved() const { return end_; }

 private:
  struct Piece {
    size_t begin, bytes;
    unsigned long long handle;
  };
  bool grow(size_t bytes);

  const int device_;
  size_t granularity_ = 0, limit_ = 0, end_ = 0;
  char* base_ = nullptr;
  std::vector<Piece> pieces_;
  Blocks blocks_;  // offsets from base_
};

}  // namespace qlora::cuda
