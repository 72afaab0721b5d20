#include "cuda/attention.cuh"
#include "cuda/cudnn_attention.h"

namespace qlora::cuda {

namespace {

/** Where a form stores the stats of a head and token; all runs follow each other. */
struct StatsLayout {
  int64_t tokens, together, length, batch;
  bool ragged;

  StatsLayout(const AttentionCall& call, const AttentionForm& form)
      : tokens(call.tokens()),
        together(form.heads),
        length(form.length),
        batch(form.batch),
        ragged(form.ragged()) {}

  __device__ int64_t at(int64_t head, int64_t token) const {
    const int64_t run = head / together, within = head % together;
    if (ragged) return (run * tokens + token) * together + within;
    return ((run * batch + token / length) * together + within) * length + token % length;
  }
};

/** The first block checks and indexes; the others copy stats. */
__global__ void prepare_kernel(const int32_t* cu, int sequences, int64_t tokens, int64_t max_length,
                               AttentionForm form, AttentionMemory m, StatsLayout layout, const float* lse,
                               float* stats, int64_t n, Fault* fault) {
  if (blockIdx.x > 0) {
    const int64_t i = static_cast<int64_t>(blockIdx.x - 1) * kThreads + threadIdx.x;
    if (i < n) stats[layout.at(i / tokens, i % tokens)] = lse[i];
    return;
  }
  const bool empty = find_cu_fault(cu, sequences, tokens, max_length, fault);
  if (!m.lengths) return;
  const auto put = [](void* index, int i, int64_t value) {
    if (index) static_cast<int64_t*>(index)[i] = value;
  };
  for (int i = threadIdx.x; i <= form.batch; i += kThreads) {
    const int64_t begin = empty ? 0 : cu[min(i, sequences)];
    put(m.q_begin, i, begin * form.q_row);
    put(m.k_begin, i, begin * form.k_row);
    put(m.stats_begin, i, begin * form.heads);
    if (i < form.batch) static_cast<int32_t*>(m.lengths)[i] = empty || i >= sequences ? 0 : cu[i + 1] - cu[i];
  }
}

}  // namespace

void prepare_attention(const Context& context, const AttentionCall& call, const AttentionForm& form,
                       const AttentionMemory& memory, float* stats) {
  const int64_t n = stats ? call.heads * call.tokens() : 0;
  const unsigned blocks = 1 + (n > 0 ? blocks_for(n, kThreads) : 0);
  prepare_kernel<<<blocks, kThreads, 0, context.stream>>>(
      call.cu.data<int32_t>(), static_cast<int>(call.sequences()), call.tokens(), call.max_length, form,
      memory, StatsLayout(call, form), call.lse.data<float>(), stats, n, context.fault);
  check_launch();
}

void take_lse(const Context& context, const AttentionCall& call, const AttentionForm& form,
              const float* stats) {
  const StatsLayout layout(call, form);
  const int64_t tokens = call.tokens();
  float* const lse = call.lse.data<float>();
  launch_each(context, call.heads * tokens,
              [=] __device__(int64_t i) { lse[i] = stats[layout.at(i / tokens, i % tokens)]; });
}

}  // namespace qlora::cuda
