#pragma once
#include <cuda_runtime.h>

#include <memory>
#include <string>

#include "cuda/cudnn_form.h"

// The plans that cuDNN builds. Without NVIDIA's headers at build time, cudnn_absent.cpp replaces it.
namespace qlora::cuda {

/** Device memory. stats is float32: [batch, heads, length] or, ragged, [tokens, heads]. */
struct AttentionMemory {
  void *q, *k, *v, *out, *stats;
  void *dout, *dq, *dk, *dv;  // backward
  // ragged: int32 [batch]; the others int64 [batch + 1], in elements
  void *lengths, *q_begin, *k_begin, *stats_begin;
};

class AttentionPlan {
 public:
  virtual ~AttentionPlan() = default;
  virtual size_t workspace() const = 0;
  virtual void run(const AttentionMemory& memory, void* workspace) = 0;
};

class Cudnn {
 public:
  virtual ~Cudnn() = default;
  /** For example 91900. */
  virtual size_t version() const = 0;
  virtual const std::string& path() const = 0;
  /** Throws with cuDNN's reason if it cannot build the plan. */
  virtual std::unique_ptr<AttentionPlan> plan(const AttentionForm& form) = 0;
};

/** Finds and opens libcudnn. Throws when it is missing or too old. */
std::unique_ptr<Cudnn> open_cudnn(cudaStream_t stream, int capability);

}  // namespace qlora::cuda
