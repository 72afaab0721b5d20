#pragma once
#include "cpu/gemm_kernel.h"
#include "cpu/gemm_output.h"
#include "cpu/gemm_pack.h"

namespace qlora::QLORA_ISA {

/**
 * The general product. B is packed panel by panel (kPanel columns, all of k); A is read in place or packed
 * tile by tile; a tile of the output is summed over blocks of k in order. T = float, or bf16_t for the
 * bfloat16 dot product.
 */
template <typename T>
class PanelProduct {
 public:
  PanelProduct(const Product& p, const TileKernels& kernels) : p_(p), out_(p), kernels_(kernels) {
    const int64_t depth = words<T>(p.k), blocks = (depth + kDepth - 1) / kDepth;
    block_ = ((depth + blocks - 1) / blocks + 3) / 4 * 4;
    panels_ = (p.n + kPanel - 1) / kPanel;
    if (!p.transpose_a && p.k % kWord<T> == 0) a_in_place_ = p.a.in_place(static_cast<const T*>(nullptr));
  }

  void run() {
    if (p_.m <= kTileRows) {
      run_few_tiles();
    } else {
      run_groups();
    }
  }

 private:
  static constexpr int64_t kDepth = 512;     // words of k summed in registers before the tile is stored
  static constexpr int64_t kTileRows = 128;  // rows of A that stay in the second-level cache
  static constexpr int64_t kGroupWords = 512 * 1024;  // of packed B that stay in the third-level cache
  static constexpr int64_t kTilesPerThread = 4;

  struct Block {
    const float* data;
    int64_t ld;
  };

  /** One tile of the output: rows [i, i + rows), panels [first, last). */
  struct Tile {
    int64_t i, rows, first, last;
  };

  int64_t work() const { return p_.m * p_.n * p_.k / kWord<T>; }
  int64_t depth() const { return words<T>(p_.k); }
  int64_t columns(int64_t panel) const { return std::min<int64_t>(kPanel, p_.n - panel * kPanel); }
  /** Length in k of the block that begins at word w. */
  int64_t length(int64_t w) const { return std::min(block_ * kWord<T>, p_.k - w * kWord<T>); }

  void pack_panel(int64_t panel, int64_t w, float* dst) const {
    pack_b<T>(p_.b, p_.transpose_b, w * kWord<T>, length(w), panel * kPanel, columns(panel), dst);
  }

  Block a_block(int64_t i, int64_t rows, int64_t w) const {
    if (a_in_place_) {
      const int64_t ld = p_.a.cols();
      return {reinterpret_cast<const float*>(a_in_place_ + i * ld + w * kWord<T>), ld / kWord<T>};
    }
    const int64_t ld = words<T>(length(w));
    float* packed = scratch(Slot::a, rows * ld);
    pack_a<T>(p_.a, p_.transpose_a, i, rows, w * kWord<T>, length(w), packed);
    return {packed, ld};
  }

  /** c [rows, columns] of one panel and one block of k; b is packed. */
  void multiply(const Block& a, int64_t rows, int64_t panel, int64_t w, const float* b, float* c, int64_t ldc,
                float beta) const {
    const int64_t cols = columns(panel), depth = words<T>(length(w));
    const int vectors = static_cast<int>(panel_width(cols) / Simd::width);
    for (int64_t i = 0; i < rows; i += Simd::rows) {
      const int height = static_cast<int>(std::min<int64_t>(Simd::rows, rows - i));
      kernels_.for_tile(height, vectors)(depth, a.data + i * a.ld, a.ld, b, c + i * ldc, ldc,
                                         static_cast<int>(cols), p_.alpha, beta);
    }
  }

  /** Sums one tile over all blocks of k: a(w) returns its rows of A, b(panel, w) a packed panel. */
  template <typename A, typename B>
  void run_tile(const Tile& t, const A& a, const B& b) const {
    const int64_t j = t.first * kPanel, cols = std::min(t.last * kPanel, p_.n) - j;
    const bool direct = out_.direct();
    float* c = direct ? out_.at(t.i, j) : scratch(Slot::c, t.rows * cols);
    const int64_t ldc = direct ? out_.ld() : cols;
    for (int64_t w = 0; w < depth(); w += block_) {
      const Block block = a(w);
      const float beta = w > 0 ? 1.0f : direct ? p_.beta : 0.0f;
      for (int64_t panel = t.first; panel < t.last; panel++)
        multiply(block, t.rows, panel, w, b(panel, w), c + (panel - t.first) * kPanel, ldc, beta);
    }
    if (!direct) out_.finish(t.i, j, t.rows, cols, c, ldc);
  }

  /** A is small: every thread packs its own panels of B, each once, and multiplies them by all of A. */
  void run_few_tiles() {
    const float* packed_a = nullptr;
    if (!a_in_place_) {
      float* shared = scratch(Slot::shared, p_.m * (depth() + block_));
      packed_a = shared;
      for (int64_t w = 0; w < depth(); w += block_)
        pack_a<T>(p_.a, p_.transpose_a, 0, p_.m, w * kWord<T>, length(w), shared + p_.m * w);
    }
    split(panels_, work(), [&](int64_t begin, int64_t end) {
      float* packed_b = scratch(Slot::b, kPanel * block_);
      const auto a = [&](int64_t w) {
        return packed_a ? Block{packed_a + p_.m * w, words<T>(length(w))} : a_block(0, p_.m, w);
      };
      const auto b = [&](int64_t panel, int64_t w) {
        pack_panel(panel, w, packed_b);
        return packed_b;
      };
      run_tile({0, p_.m, begin, end}, a, b);
    });
  }

  /** All threads pack a group of panels, then all multiply it: each weight is read and dequantized once. */
  void run_groups() {
    const int64_t panel_words = depth() * kPanel;
    const int64_t most = std::max<int64_t>(1, kGroupWords / panel_words);
    const int64_t groups = (panels_ + most - 1) / most, group = (panels_ + groups - 1) / groups;
    float* packed = scratch(Slot::shared, group * panel_words);
    for (int64_t first = 0; first < panels_; first += group)
      run_group(first, std::min(first + group, panels_), packed);
  }

  void run_group(int64_t first, int64_t last, float* packed) {
    const int64_t panel_words = depth() * kPanel, blocks = (depth() + block_ - 1) / block_;
    const auto place = [&](int64_t panel, int64_t w) {
      return packed + (panel - first) * panel_words + w * kPanel;
    };
    // Packing an element costs about as much as 16 multiply-adds.
    split((last - first) * blocks, (last - first) * panel_words * 16, [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; unit++) {
        const int64_t panel = first + unit / blocks, w = unit % blocks * block_;
        pack_panel(panel, w, place(panel, w));
      }
    });
    const int64_t tall = (p_.m + kTileRows - 1) / kTileRows;
    const int64_t wide =
        std::clamp<int64_t>((kTilesPerThread * thread_pool().size() + tall - 1) / tall, 1, last - first);
    const int64_t width = (last - first + wide - 1) / wide;
    split(tall * wide, work() / panels_ * (last - first), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; t++) {
        const int64_t i = t / wide * kTileRows, from = first + t % wide * width;
        const Tile tile{i, std::min(kTileRows, p_.m - i), from, std::min(from + width, last)};
        const auto a = [&](int64_t w) { return a_block(tile.i, tile.rows, w); };
        if (tile.first < tile.last) run_tile(tile, a, place);
      }
    });
  }

  const Product& p_;
  const Output out_;
  const TileKernels& kernels_;
  int64_t block_, panels_;  // words of k in a block; panels of B
  const T* a_in_place_ = nullptr;
};

}  // namespace qlora::QLORA_ISA
