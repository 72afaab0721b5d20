#pragma once
#include <algorithm>
#include <array>

#include "cuda/launch.cuh"

namespace qlora::cuda {

/**
 * The tensors of one launch, as kernel parameters: entry t of `Lists` lists. Below the 4 KiB that every GPU
 * supports.
 */
template <int Lists>
struct TensorTable {
  static constexpr int kSize = std::min<int>(64, 3456 / (Lists * sizeof(View) + sizeof(int64_t)));
  View views[Lists][kSize];
  int64_t counts[kSize];
};

/**
 * launch(table, tensors in it, elements of the largest) for groups of up to `kSize` tensors that are not
 * empty.
 */
template <int Lists, typename Launch>
void for_tables(const std::array<const TensorList*, Lists>& lists, Launch launch) {
  TensorTable<Lists> table;
  int used = 0;
  int64_t largest = 0;
  const auto flush = [&] {
    if (used > 0) launch(table, used, largest);
    used = 0;
    largest = 0;
  };
  for (size_t i = 0; i < lists[0]->size(); i++) {
    const int64_t n = (*lists[0])[i].numel();
    if (n == 0) continue;
    for (int list = 0; list < Lists; list++) table.views[list][used] = View((*lists[list])[i]);
    table.counts[used++] = n;
    largest = std::max(largest, n);
    if (used == TensorTable<Lists>::kSize) flush();
  }
  flush();
}

/** Number of blocks for each tensor of a table: eight elements per thread, in a loop if that is not enough.
 */
inline dim3 table_grid(int used, int64_t largest) {
  return dim3(std::min(1024u, blocks_for(largest, kThreads * 8)), static_cast<unsigned>(used));
}

template <int Lists, typename F>
__global__ void each_entry_kernel(const __grid_constant__ TensorTable<Lists> table, F f) {
  const int t = blockIdx.y;
  const int64_t n = table.counts[t];
  for (int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 8; i < n;
       i += static_cast<int64_t>(gridDim.x) * kThreads * 8)
    f(table, t, i, n);
}

/**
 * f(table, t, i, n) for each tensor t of the lists and i = 0, 8, 16 .. below its n: eight elements per
 * thread.
 */
template <int Lists, typename F>
void launch_each_entry(const Context& context, const std::array<const TensorList*, Lists>& lists, F f) {
  for_tables<Lists>(lists, [&](const TensorTable<Lists>& table, int used, int64_t largest) {
    each_entry_kernel<Lists><<<table_grid(used, largest), kThreads, 0, context.stream>>>(table, f);
    check_launch();
  });
}

}  // namespace qlora::cuda
