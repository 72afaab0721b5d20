#pragma once
#include <map>
#include <tuple>

#include "core/tensor.h"
#include "cuda/cudnn_plan.h"

namespace qlora::cuda {

struct Context;

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
