#pragma once
#include <cstddef>
#include <vector>

#include "cuda/blocks.h"

namespace qlora::cuda {

/**
 * A growing stretch of a GPU's memory, handed out best fit first. Addresses for the whole GPU are set aside
 * at the start, memory is put behind them as it is needed, and neighbours that are free are one block again:
 * what is reserved stays near the most that was ever in use, and once a training step has been seen no
 * further call to the driver is made. (CUDA's own pool took tens of milliseconds for large blocks of changing
 * sizes.)
 */
class Arena {
 public:
  explicit Arena(int device);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /** Null when the GPU has no memory left. */
  void* allocate(size_t bytes);
  void release(void* data);
  /** Gives back what lies free at the end. Nothing may be running that uses it. */
  void trim();
  /** Bytes of memory behind the addresses. */
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
