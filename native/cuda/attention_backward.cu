#include "cuda/attention_backward.cuh"
#include "cuda/attention_mma.cuh"
#include "cuda/attention_scalar.cuh"

namespace qlora::cuda {

namespace {

/** delta[head, token] = sum over the head of dout * out; one warp each. */
__global__ void delta_kernel(View dout, View out, float* delta, int64_t tokens, int heads, int head_dim) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / 32, token = i / heads;
  if (token >= tokens) return;
  float sum = 0;
  for (int d = threadIdx.x % 32; d < head_dim; d += 32)
    sum = fmaf(dout.load(i * head_dim + d), out.load(i * head_dim + d), sum);
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) delta[i % heads * tokens + token] = sum;
}

}  // namespace

void CudaOps::attention_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v,
                                 const Tensor& out, const Tensor& lse, const Tensor& cu, const Tensor& dq,
                                 const Tensor& dk, const Tensor& dv, int64_t heads, int64_t kv_heads,
                                 double scale, int64_t window, double softcap, int64_t max_length,
                                 bool deterministic) {
  const int64_t tokens = q.rows(), head_dim = q.cols() / heads;
  const AttentionCall call{q,   k,     v,        cu,    out,    lse,     &dout,      &dq,          &dk,
                           &dv, heads, kv_heads, scale, window, softcap, max_length, deterministic};
  if (context_.cudnn.run(context_, call)) return;
  check_cu(context_, cu, tokens, max_length);
  if (tokens == 0) return;
  const Scratch delta(context_, static_cast<size_t>(call.row_bytes()));
  delta_kernel<<<blocks_for(heads * tokens, kWarps), kThreads, 0, context_.stream>>>(
      View(dout), View(out), delta.as<float>(), tokens, static_cast<int>(heads), static_cast<int>(head_dim));
  check_launch();
  const Backward p{cu.data<int32_t>(),
                   View(dout),
                   View(q),
                   View(k),
                   View(v),
                   View(dq),
                   View(dk),
                   View(dv),
                   lse.data<float>(),
                   delta.as<float>(),
                   tokens,
                   static_cast<int>(cu.numel() - 1),
                   static_cast<int>(heads),
                   static_cast<int>(kv_heads),
                   static_cast<int>(head_dim),
                   static_cast<int>(std::min<int64_t>(window, INT32_MAX)),
                   static_cast<float>(scale),
                   static_cast<float>(softcap),
                   context_.fault};
  if (fits_mma(context_.gpu, {&q, &k, &v, &dout}, head_dim, 4))
    return launch_backward_mma(context_, p, q.dtype);
  launch_backward_scalar(context_, p);
}

}  // namespace qlora::cuda
