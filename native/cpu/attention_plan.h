#pragma once
#include <algorithm>
#include <vector>

#include "core/tensor.h"
#include "cpu/attention_tile.h"

// The sequences, the keys that a query sees, and how the work is split between threads.
namespace qlora::QLORA_ISA {

constexpr int64_t kQueries = 64,
                  kKeys = 64;  // of a tile; a key tile and a query tile of
                               // head_dim 64 are 16 KiB each

/** Rows of one sequence in q and in k. */
struct Sequence {
  int64_t q_begin, queries, k_begin, keys;
};

/** Keys [begin, end) of a query, empty when begin == end. */
inline Range keys_of(const Sequence& s, int64_t query, int64_t window) {
  int64_t end = std::max<int64_t>(0, query + 1 + s.keys - s.queries);
  return {window > 0 ? std::max<int64_t>(0, end - window) : 0, end};
}

/** max_length 0: no limit. */
inline void check_cu(const char* op, const char* what, const Tensor& cu, int64_t tokens, int64_t max_length) {
  const int32_t* at = cu.data<int32_t>();
  int64_t sequences = cu.numel() - 1;
  if (at[0] != 0) fail("[", op, "] ", what, ": expected to start at 0, got ", at[0]);
  for (int64_t i = 0; i < sequences; i++) {
    if (at[i + 1] < at[i]) fail("[", op, "] ", what, ": ", at[i + 1], " after ", at[i], " at index ", i + 1);
    if (max_length > 0 && at[i + 1] - at[i] > max_length)
      fail("[", op, "] ", what, ": sequence ", i, " has ", at[i + 1] - at[i],
           " tokens, more than max_length ", max_length);
  }
  if (at[sequences] != tokens)
    fail("[", op, "] ", what, ": expected to end at ", tokens, " tokens, got ", at[sequences]);
}

inline std::vector<Sequence> sequences_of(const Tensor& cu_q, const Tensor& cu_k) {
  const int32_t *q = cu_q.data<int32_t>(), *k = cu_k.data<int32_t>();
  std::vector<Sequence> sequences;
  for (int64_t i = 0; i + 1 < cu_q.numel(); i++)
    sequences.push_back({q[i], q[i + 1] - q[i], k[i], k[i + 1] - k[i]});
  return sequences;
}

/** Calls run(task) for every task in parallel, the expensive ones first and distributed evenly. */
template <typename Task, typename Run>
void run_tasks(std::vector<Task>& tasks, Run run) {
  std::stable_sort(tasks.begin(), tasks.end(), [](const Task& a, const Task& b) { return a.cost > b.cost; });
  int64_t n = static_cast<int64_t>(tasks.size()), hands = std::min<int64_t>(n, 64);
  parallel_for(hands, 1, [&](int64_t begin, int64_t end) {
    for (int64_t hand = begin; hand < end; hand++) {
      for (int64_t i = hand; i < n; i += hands) run(tasks[i]);
    }
  });
}

}  // namespace qlora::QLORA_ISA
