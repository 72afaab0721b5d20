#pragma once
#include "cuda/context.h"

namespace qlora::cuda {

/** attention_forward for sequences with at most one query each. */
void attention_one_query(const Context& context, const Tensor& q, const Tensor& k, const Tensor& v,
                         const Tensor& cu_q, const Tensor& cu_k, const Tensor& out, const Tensor& lse,
                         int64_t heads, int64_t kv_heads, double scale, int64_t window, double softcap);

}  // namespace qlora::cuda
