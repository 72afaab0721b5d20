#pragma once
#include "cuda/attention.cuh"

// The backward of our own kernels: two passes with 7 products instead of 5, but every sum is computed by
// one thread: no atomics, and the same bits on every run.
namespace qlora::cuda {

struct Backward {
  const int32_t* cu;
  View dout, q, k, v, dq, dk, dv;
  const float *lse, *delta;
  int64_t tokens;
  int sequences, heads, kv_heads, head_dim, window;
  float scale, softcap;
  const Fault* fault;

  __device__ int group() const { return heads / kv_heads; }
  /**
   * d loss / d score of a query and a key, before the scale; `weight` becomes their softmax. all_seen: the
   * query surely sees the key.
   */
  __device__ float score_gradient(bool all_seen, const Sequence& s, int query, int key, float score,
                                  float dweight, float lse_of_query, float delta_of_query,
                                  float& weight) const {
    const bool seen =
        all_seen || (query < s.queries && key >= s.first_key(query, window) && key < s.end_key(query));
    if (softcap > 0) {
      const float share = tanhf(score * scale / softcap);
      weight = seen ? exp2f((softcap * share - lse_of_query) * kLog2e) : 0.0f;
      return weight * (dweight - delta_of_query) * (1.0f - share * share);
    }
    weight = seen ? exp2f(fmaf(score, scale * kLog2e, -lse_of_query * kLog2e)) : 0.0f;
    return weight * (dweight - delta_of_query);
  }
  /** Whether each of 16 queries sees each of 16 keys. */
  __device__ bool sees_all(const Sequence& s, int query, int key) const {
    return query + 16 <= s.queries && key + 16 <= s.end_key(query) && key >= s.first_key(query + 15, window);
  }
  /** Queries [first_query, end_query) that see one of the keys [first, first + n). */
  __device__ int end_query(const Sequence& s, int first, int n) const {
    const int last = min(first + n, s.keys) - 1;
    return window > 0
               ? static_cast<int>(min(static_cast<int64_t>(s.queries), static_cast<int64_t>(last) + window))
               : s.queries;
  }
};

void launch_backward_mma(const Context& context, const Backward& p, DType dtype);
void launch_backward_scalar(const Context& context, const Backward& p);

}  // namespace qlora::cuda
