#pragma once
#include <algorithm>
#include <cstdlib>
#include <new>

#include "cpu/gemm.h"

namespace qlora::QLORA_ISA {

enum class Slot { a, b, c, shared, count };

/** `size` floats of this thread's own memory, aligned; kept between calls, contents undefined. */
inline float* scratch(Slot slot, int64_t size) {
  struct Buffer {
    float* data = nullptr;
    int64_t size = 0;
    ~Buffer() { std::free(data); }
  };
  thread_local Buffer buffers[static_cast<int>(Slot::count)];
  Buffer& buffer = buffers[static_cast<int>(slot)];
  if (buffer.size < size) {
    std::free(buffer.data);
    buffer.size = (size + 15) / 16 * 16;
    buffer.data = static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(buffer.size) * 4));
    if (!buffer.data) {
      buffer.size = 0;
      throw std::bad_alloc();
    }
  }
  return buffer.data;
}

/**
 * Where a product's tiles are stored: directly in a float32 output, or through a float32 tile in other
 * dtypes.
 */
class Output {
 public:
  explicit Output(const Product& p)
      : data_(p.out.data<char>()),
        dtype_(p.out.dtype),
        transposed_(p.transpose_out),
        ld_(p.transpose_out ? p.m : p.n),
        beta_(p.beta) {}

  bool direct() const { return dtype_ == DType::f32 && !transposed_; }
  float* at(int64_t i, int64_t j) const { return reinterpret_cast<float*>(data_) + i * ld_ + j; }
  int64_t ld() const { return ld_; }

  /** out[i .., j ..] = tile [rows, cols] + beta * out; the tile's contents are overwritten. */
  void finish(int64_t i, int64_t j, int64_t rows, int64_t cols, float* tile, int64_t ldt) const {
    dispatch_float(dtype_, [&](auto tag) {
      using T = typename decltype(tag)::type;
      T* out = reinterpret_cast<T*>(data_);
      if (!transposed_) {
        for (int64_t r = 0; r < rows; r++) finish_row(tile + r * ldt, out + (i + r) * ld_ + j, cols);
        return;
      }
      float column[256];
      for (int64_t c = 0; c < cols; c++) {
        for (int64_t begin = 0; begin < rows; begin += 256) {
          const int64_t n = std::min<int64_t>(256, rows - begin);
          for (int64_t r = 0; r < n; r++) column[r] = tile[(begin + r) * ldt + c];
          finish_row(column, out + (j + c) * ld_ + i + begin, n);
        }
      }
    });
  }

 private:
  template <typename T>
  void finish_row(float* sum, T* out, int64_t n) const {
    float old[256];
    for (int64_t begin = 0; beta_ != 0 && begin < n; begin += 256) {
      const int64_t m = std::min<int64_t>(256, n - begin);
      load_row(out + begin, old, m);
      for (int64_t i = 0; i < m; i++) sum[begin + i] += beta_ * old[i];
    }
    store_row(sum, out, n);
  }

  char* data_;
  DType dtype_;
  bool transposed_;
  int64_t ld_;
  float beta_;
};

/**
 * Runs body over [0, n) in parallel if there are enough multiply-adds; a small product stays on this
 * thread.
 */
template <typename Body>
void split(int64_t n, int64_t total_work, const Body& body) {
  constexpr int64_t kWorthwhile = 1 << 20;
  const int64_t grain = std::max<int64_t>(1, n * kWorthwhile / std::max<int64_t>(total_work, 1));
  parallel_for(n, grain, [&body](int64_t begin, int64_t end) { body(begin, end); });
}

}  // namespace qlora::QLORA_ISA
