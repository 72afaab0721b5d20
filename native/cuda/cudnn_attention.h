#pragma once
#include <map>
#include <optional>
#include <tuple>

#include "core/tensor.h"
#include "cuda/cudnn_plan.h"

namespace qlora::cuda {

struct Context;

/** The arguments of an attention operation with one set of sequences for queries and keys. */
struct AttentionCall {
  const Tensor &q, &k, &v, &cu, &out, &lse;
  const Tensor *dout, *dq, *dk, *dv;  // null in forward
  int64_t heads, kv_heads;
  double scale;
  int64_t window;
  int64_t max_length;  // 0 = unknown
  bool deterministic;

  bool backward() const { return dout != nullptr; }
  int64_t tokens() const { return q.rows(); }
  int64_t sequences() const { return cu.numel() - 1; }
};

/**
 * Attention by cuDNN, opened at the first call that suits it. lse means the same as the own kernels' lse, so
 * that the forward of one and the backward of the other fit. It checks cu, too. QLORA_ATTENTION=own leaves
 * all calls to the own kernels; =cudnn turns a refusal of cuDNN's into an error.
 */
class CudnnAttention {
 public:
  CudnnAttention(cudaStream_t stream, int capability);
  /** False when the own kernels must run. */
  bool run(const Context& context, const AttentionCall& call);
  /** Who computes attention, and why: "cuDNN 9.19.0 (path)", "own kernels: reason". */
  std::string status() const;

 private:
  struct Entry {
    std::unique_ptr<AttentionPlan> plan;  // null: cuDNN refused
    uint64_t last_use;
  };
  using Key = std::tuple<bool, bool, DType, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t, float>;

  static Key key_of(const AttentionForm& form);
  bool open();
  AttentionPlan* plan_for(const AttentionForm& form);
  void refuse(const std::string& reason);

  const cudaStream_t stream_;
  const int capability_;
  const std::string mode_;
  std::unique_ptr<Cudnn> cudnn_;
  bool tried_ = false;
  std::string refusal_;  // the last reason
  std::map<Key, Entry> plans_;
  uint64_t uses_ = 0;
};

/** The form that suits a call: how its lengths are rounded, and how many heads one run takes so that the
 * workspace stays moderate. Nothing when no form does. */
std::optional<AttentionForm> form_of(const AttentionCall& call);

/**
 * Before a call: raises a fault when cu is one; ragged, writes where each sequence begins in the form's
 * layouts, and its length (further ones up to `batch` are empty, all are after a fault); and with `stats`
 * turns lse [heads, tokens] into their layout. The form takes heads / form.heads runs, whose stats follow one
 * another.
 */
void prepare_attention(const Context& context, const AttentionCall& call, const AttentionForm& form,
                       const AttentionMemory& memory, float* stats);

/** After a forward: lse from the stats. */
void take_lse(const Context& context, const AttentionCall& call, const AttentionForm& form,
              const float* stats);

}  // namespace qlora::cuda
