#pragma once
#include <map>
#include <tuple>

#include "core/tensor.h"
#include "cuda/cudnn_plan.h"

namespace qlora::cuda {

struct Context;

/**
 * Attention with cuDNN, which is opened at the first suitable call. lse is the same as that of our own
 * kernels, so the forward of one works with the backward of the other. cu is checked too.
 * QLORA_ATTENTION=own uses only our own kernels; =cudnn turns a refusal of cuDNN into an error.
 */
class CudnnAttention {
 public:
  CudnnAttention(cudaStream_t stream, int capability);
  /** False if our own kernels must run. */
  bool run(const Context& context, const AttentionCall& call);
  /** Which implementation is used, and why: "cuDNN 9.19.0 (path)", "own kernels: reason". */
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
 * Before a call: records a fault if cu is invalid. For ragged forms, writes where each sequence begins in
 * the form's layouts and its length (sequences up to `batch` are filled up with empty ones; after a fault
 * all are empty). With `stats`, converts lse [heads, tokens] to their layout. The form needs heads /
 * form.heads runs, whose stats follow each other.
 */
void prepare_attention(const Context& context, const AttentionCall& call, const AttentionForm& form,
                       const AttentionMemory& memory, float* stats);

/** After a forward: converts the stats to lse. */
void take_lse(const Context& context, const AttentionCall& call, const AttentionForm& form,
              const float* stats);

}  // namespace qlora::cuda
