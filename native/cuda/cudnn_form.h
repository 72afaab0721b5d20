#pragma once
#include <optional>

#include "core/tensor.h"

// What cuDNN's plans depend on. Without CUDA, so that the addon can say without a GPU what a call would take.
namespace qlora::cuda {

/** Causal attention of one form: everything a plan depends on. q [.., heads, head_dim], k and v
 * [.., kv_heads, head_dim]; a row of q is q_row elements long, of k k_row: more than the heads need when a
 * call takes some of them. */
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
  /** One float32 for each head and token: as large as lse, and as what the own backward keeps. */
  int64_t row_bytes() const { return heads * tokens() * 4; }
};

/** The form that suits a call: how its lengths are rounded, and how many heads one run takes so that the
 * workspace stays moderate. Nothing when no form does. Looks at dtypes and shapes only. */
std::optional<AttentionForm> form_of(const AttentionCall& call);

/** cuDNN's workspace for a form, at least: what the frontend's graph keeps outside the kernels. */
int64_t expected_workspace(const AttentionForm& form);

/** Of the form's whole call, the memory for its stats. */
inline int64_t stats_bytes(const AttentionCall& call, const AttentionForm& form) {
  return form.stats_in_place() ? 0 : call.row_bytes();
}

}  // namespace qlora::cuda
