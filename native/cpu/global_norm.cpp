#include <cmath>

#include "cpu/reduce.h"

namespace qlora::QLORA_ISA {

void CpuOps::global_norm(const TensorList& tensors, const Tensor& norm) {
  struct Block {
    FloatView view;
    int64_t start, n;
  };
  constexpr int64_t kBlock = 16 * kTile;
  std::vector<Block> blocks;
  for (const Tensor& t : tensors) {
    FloatView view(t);
    for (int64_t i = 0; i < t.numel(); i += kBlock)
      blocks.push_back({view, i, std::min(kBlock, t.numel() - i)});
  }
  std::vector<double> partial(blocks.size());
  parallel_for(static_cast<int64_t>(blocks.size()), 1, [&](int64_t begin, int64_t end) {
    float buffer[kTile];
    for (int64_t b = begin; b < end; b++) {
      const Block& block = blocks[b];
      for (int64_t i = 0; i < block.n; i += kTile) {
        int64_t n = std::min(kTile, block.n - i);
        partial[b] += sum_squares(block.view.read(block.start + i, n, buffer), n);
      }
    }
  });
  double total = 0;
  for (double p : partial) total += p;
  *norm.data<float>() = static_cast<float>(std::sqrt(total));
}

}  // namespace qlora::QLORA_ISA
