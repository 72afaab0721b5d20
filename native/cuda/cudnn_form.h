#pragma once
#include <optional>

#include "core/tensor.h"

// The parameters of cuDNN's plans. It does not need CUDA, so that the addon can compute sizes without a
// GPU.
namespace qlora::cuda {

/**
 * Causal attention of one form: everything that a plan depends on. q [.., heads, head_dim], k and v [..,
 * kv_heads, head_dim]. A row of q has q_row elements, one of k k_row, which is more than the heads need if
 * a call runs only some of them.
 */
struct AttentionForm {
  bool backward, deterministic;
  DType dtype;
  int64_t batch, length;  // sequences, and tokens in the longest
  int64_t total;          // most tokens of all sequences together; 0 = every sequence has `length`
  int64_t heads, kv_heads, head_dim, q_row, k_row;
  int64_t window;
  float scale;

  bool ragged() const { return total > 0; }
  /** The stats of one sequence are lse itself; else they need memory of their own. */
  bool stats_in_place() const { return !ragged() && batch == 1; }
};

/** The arguments of an attention operation with one set of sequences for queries and keys. */
struct AttentionCall {
  const Tensor &q, &k, &v, &cu, &out, &lse;
  const Tensor *dout, *dq, *dk, *dv;  // null in forward
  int64_t heads, kv_heads;
  double scale;
  int64_t window;
  double softcap;      // 0 = none
  int64_t max_length;  // 0 = unknown
  bool deterministic;

  bool backward() const { return dout != nullptr; }
  int64_t tokens() const { return q.rows(); }
  int64_t sequences() const { return cu.numel() - 1; }
  /** One float32 per head and token: the size of lse, and of what our own backward stores. */
  int64_t row_bytes() const { return heads * tokens() * 4; }
};

/**
 * The form for a call: rounded lengths, and the number of heads in one run that keeps the workspace
 * moderate. Nothing if no form fits. Uses only dtypes and shapes.
 */
std::optional<AttentionForm> form_of(const AttentionCall& call);

/** The least workspace of cuDNN for a form: what the frontend's graph stores outside the kernels. */
int64_t expected_workspace(const AttentionForm& form);

/** Memory for the stats of the form's whole call. */
inline int64_t stats_bytes(const AttentionCall& call, const AttentionForm& form) {
  return form.stats_in_place() ? 0 : call.row_bytes();
}

}  // namespace qlora::cuda
