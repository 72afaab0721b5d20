#pragma once
#include <algorithm>

#include "core/tensor.h"
#include "cpu/convert.h"
#include "cpu/cpu_ops.h"
#include "cpu/thread_pool.h"

// Before a loop: its iterations are independent even if two pointers are equal (in-place operations), so
// that the compiler's overlap test does not select scalar code.
#if defined(__clang__)
#define QLORA_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define QLORA_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace qlora::QLORA_ISA {

/**
 * Number of elements processed at once: a few buffers of this many floats stay in the first-level cache. A
 * multiple of 64.
 */
constexpr int64_t kTile = 1024;

/**
 * A float tensor of any dtype that is read and written as float32. Made on the queue thread, used on any
 * thread.
 */
class FloatView {
 public:
  explicit FloatView(const Tensor& t) : dtype_(t.dtype), data_(t.data<char>()) {}

  DType dtype() const { return dtype_; }

  /** Elements [i, i + n): the tensor's own memory when it is float32, else converted into buffer. */
  const float* read(int64_t i, int64_t n, float* buffer) const {
    switch (dtype_) {
      case DType::bf16:
        load_row(at<bf16_t>(i), buffer, n);
        return buffer;
      case DType::f16:
        load_row(at<f16_t>(i), buffer, n);
        return buffer;
      default:
        return at<float>(i);
    }
  }

  /**
   * Where to compute elements [i, ...) before `write`: in the tensor's own memory if it is float32, else in
   * buffer.
   */
  float* place(int64_t i, float* buffer) const { return dtype_ == DType::f32 ? at<float>(i) : buffer; }

  /** Stores the values computed at `place`. */
  void write(int64_t i, int64_t n, const float* placed) const {
    switch (dtype_) {
      case DType::bf16:
        return store_row(placed, at<bf16_t>(i), n);
      case DType::f16:
        return store_row(placed, at<f16_t>(i), n);
      default:
        return store_row(placed, at<float>(i), n);
    }
  }

 private:
  template <typename T>
  T* at(int64_t i) const {
    return reinterpret_cast<T*>(data_) + i;
  }

  DType dtype_;
  char* data_;
};

template <typename T>
void round_row(float* x, int64_t n) {
  T rounded[256];
  for (int64_t i = 0; i < n; i += 256) {
    int64_t m = std::min<int64_t>(256, n - i);
    store_row(x + i, rounded, m);
    load_row(rounded, x + i, m);
  }
}

/** Rounds x to dtype, like an operation that stores its result in dtype. */
inline void round_to(DType dtype, float* x, int64_t n) {
  if (dtype == DType::bf16) round_row<bf16_t>(x, n);
  if (dtype == DType::f16) round_row<f16_t>(x, n);
}

/** Calls body(i, n) for the tiles [i, i + n) of [0, count), at most kTile elements each, in parallel. */
template <typename Body>
void for_tiles(int64_t count, Body body) {
  parallel_for((count + kTile - 1) / kTile, 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) body(t * kTile, std::min(kTile, count - t * kTile));
  });
}

/** Number of rows worth giving to a thread. */
inline int64_t row_grain(int64_t cols) {
  return std::max<int64_t>(1, 16 * kTile / std::max<int64_t>(cols, 1));
}

}  // namespace qlora::QLORA_ISA
