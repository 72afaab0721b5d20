#pragma once
#include "core/scratch.h"
#include "cpu/allocator.h"

namespace qlora {

/** Columns of a head in the buffers of attention_backward: whole vectors of every instruction set. */
inline int64_t padded_head(int64_t head_dim) { return (head_dim + 15) / 16 * 16; }

/** Scratch tensors of the CPU's operations. The threads' buffers do not count. */
class CpuScratch final : public ScratchBytes {
 public:
  /** dk and dv of every query head in float32. */
  int64_t attention_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v,
                             const Tensor& out, const Tensor& lse, const Tensor& cu, const Tensor& dq,
                             const Tensor& dk, const Tensor& dv, int64_t heads, int64_t kv_heads,
                             double scale, int64_t window, double softcap, int64_t max_length,
                             bool deterministic) const override {
    const int64_t floats = heads * q.rows() * padded_head(q.cols() / heads);
    return 2 * static_cast<int64_t>(CpuAllocator::rounded(static_cast<size_t>(floats) * sizeof(float)));
  }
};

}  // namespace qlora
