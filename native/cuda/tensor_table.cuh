#pragma once
#include <vector>

#include "cuda/launch.cuh"

namespace qlora::cuda {

/** Tensors handled by one launch, as kernel parameters. */
struct TensorTable {
  static constexpr int kSize = 64;
  View views[kSize];
  int64_t counts[kSize];
};

/** launch(table, tensors in it, position of the first) for groups of up to 64 tensors. */
template <typename Launch>
void for_tables(const TensorList& tensors, Launch launch) {
  TensorTable table;
  int used = 0;
  for (size_t i = 0; i < tensors.size(); i++) {
    if (tensors[i].numel() > 0) {
      table.views[used] = View(tensors[i]);
      table.counts[used++] = tensors[i].numel();
    }
    if (used == TensorTable::kSize || (i + 1 == tensors.size() && used > 0)) {
      launch(table, used);
      used = 0;
    }
  }
}

}  // namespace qlora::cuda
