#pragma once
#include "cuda/context.h"

namespace qlora::cuda {

/** attention_forward for one sequence with one query. */
void attention_one_query(const Context& context, const Tensor& q, const Tensor& k, const Tensor& v,
                         const Tensor& cu_q, const Tensor& cu_k, const Tensor& out, const Tensor& lse,
                         int64_t heads, int64_t kv_heads, double scale, int64_t window, double softcap,
                         int64_t max_length);

}  // namespace qlora::cuda
