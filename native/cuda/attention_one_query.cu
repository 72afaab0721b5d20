#include <optional>

#include "cuda/attention.cuh"
#include "cuda/attention_one_query.h"

// One new token against a cache. Tiles of queries would leave most of the GPU idle: here the keys of a head
// are shared out to several blocks, each of which leaves its maximum, sum and weighted values to be merged.
namespace qlora::cuda {

namespace {

constexpr int kKeysPerBlock = 256;
constexpr int64_t kMostParts = 64;  // of a head's keys; longer caches have longer parts
constexpr int kAtOnce = 4;          // keys that a thread has under way

struct OneQuery {
  const int32_t *cu_q, *cu_k;
  View q, k, v, out;
  float* lse;
  float* parts;  // [heads, parts, head_dim + 2], or null when there is one part
  int64_t keys, max_length;
  int heads, kv_heads, head_dim, lanes, from, keys_per_part;
  float scale, softcap;  // in base 2
  Fault* fault;
};

/** What to subtract from scores whose largest is `most`: nothing where none has been seen, as -inf - -inf is
 * NaN. */
__device__ float base_of(float most) { return most == -INFINITY ? 0.0f : most; }

/** Running softmax of the keys that one group of lanes has seen; a lane has 8 of the head's columns. */
struct Running {
  float most = -INFINITY, sum = 0, values[8] = {};

  __device__ void rescale(float largest) {
    const float correction = exp2f(most - base_of(largest));
    most = largest;
    sum *= correction;
    for (int j = 0; j < 8; j++) values[j] *= correction;
  }
};

/** Writes a head's result, or that of its part. */
__device__ void finish(const OneQuery& p, int head, int part, int parts, int column, float most, float sum,
                       float value) {
  if (parts > 1) {
    float* to = p.parts + (static_cast<int64_t>(head) * parts + part) * (p.head_dim + 2);
    to[2 + column] = value;
    if (column == 0) to[0] = most, to[1] = sum;
    return;
  }
  p.out.store(head * p.head_dim + column, value * (sum > 0 ? 1.0f / sum : 0.0f));
  if (column == 0) p.lse[head] = kLn2 * (most + log2f(sum));
}

/** Block (part, head). Groups of `lanes` lanes take a key each: a power of two, at least head_dim / 8. */
__global__ void __launch_bounds__(kThreads) part_kernel(const OneQuery p) {
  __shared__ float most[kThreads], sum[kThreads], values[kThreads * 8];
  if (find_cu_fault(p.cu_q, 1, 1, p.max_length, p.fault) || find_cu_fault(p.cu_k, 1, p.keys, 0, p.fault))
    return;
  const int part = blockIdx.x, head = blockIdx.y, groups = kThreads / p.lanes;
  const int group = threadIdx.x / p.lanes, column = threadIdx.x % p.lanes * 8;
  const bool exists = column < p.head_dim;
  const int64_t stride = static_cast<int64_t>(p.kv_heads) * p.head_dim, n = p.keys * stride;
  const int64_t begin = static_cast<int64_t>(head / (p.heads / p.kv_heads)) * p.head_dim + column;
  const int64_t first = p.from + static_cast<int64_t>(part) * p.keys_per_part;
  const int64_t end = min(first + p.keys_per_part, p.keys);
  float q[8] = {};
  if (exists) p.q.load8(head * p.head_dim + column, static_cast<int64_t>(p.heads) * p.head_dim, q);
  Running own;
  for (int64_t base = first; base < end; base += groups * kAtOnce) {
    float score[kAtOnce], v[kAtOnce][8];
    float largest = own.most;
#pragma unroll
    for (int u = 0; u < kAtOnce; u++) {
      const int64_t key = base + u * groups + group;
      const bool seen = key < end;
      float k[8] = {};
      for (int j = 0; j < 8; j++) v[u][j] = 0;
      if (seen && exists) {
        p.k.load8(key * stride + begin, n, k);
        p.v.load8(key * stride + begin, n, v[u]);
      }
      score[u] = 0;
      for (int j = 0; j < 8; j++) score[u] = fmaf(q[j], k[j], score[u]);
      for (int offset = p.lanes / 2; offset > 0; offset /= 2)
        score[u] += __shfl_xor_sync(~0u, score[u], offset);
      score[u] = seen ? capped(score[u] * p.scale, p.softcap) : -INFINITY;
      largest = fmaxf(largest, score[u]);
    }
    own.rescale(largest);
#pragma unroll
    for (int u = 0; u < kAtOnce; u++) {
      const float weight = exp2f(score[u] - base_of(largest));
      own.sum += weight;
      for (int j = 0; j < 8; j++) own.values[j] = fmaf(weight, v[u][j], own.values[j]);
    }
  }
  most[group] = own.most;  // the same in all lanes of the group
  sum[group] = own.sum;
  for (int j = 0; j < 8; j++) values[group * p.lanes * 8 + column + j] = own.values[j];
  __syncthreads();
  if (threadIdx.x >= p.head_dim) return;
  Running all;
  for (int i = 0; i < groups; i++) all.most = fmaxf(all.most, most[i]);
  for (int i = 0; i < groups; i++) {
    const float weight = exp2f(most[i] - base_of(all.most));
    all.sum = fmaf(weight, sum[i], all.sum);
    all.values[0] = fmaf(weight, values[i * p.lanes * 8 + threadIdx.x], all.values[0]);
  }
  finish(p, head, part, gridDim.x, threadIdx.x, all.most, all.sum, all.values[0]);
}

/** Merges the parts of a head, a block each. */
__global__ void __launch_bounds__(kThreads) merge_kernel(const OneQuery p, int parts) {
  if (faulty(p.fault) || threadIdx.x >= p.head_dim) return;
  const int head = blockIdx.x, stride = p.head_dim + 2;
  const float* from = p.parts + static_cast<int64_t>(head) * parts * stride;
  float most = -INFINITY, sum = 0, value = 0;
  for (int i = 0; i < parts; i++) most = fmaxf(most, from[i * stride]);
  for (int i = 0; i < parts; i++) {
    const float weight = exp2f(from[i * stride] - base_of(most));
    sum = fmaf(weight, from[i * stride + 1], sum);
    value = fmaf(weight, from[i * stride + 2 + threadIdx.x], value);
  }
  finish(p, head, 0, 1, threadIdx.x, most, sum, value);
}

}  // namespace

void attention_one_query(const Context& context, const Tensor& q, const Tensor& k, const Tensor& v,
                         const Tensor& cu_q, const Tensor& cu_k, const Tensor& out, const Tensor& lse,
                         int64_t heads, int64_t kv_heads, double scale, int64_t window, double softcap,
                         int64_t max_length) {
  const int64_t head_dim = q.cols() / heads, keys = k.rows();
  const int64_t from = window > 0 ? std::max<int64_t>(0, keys - window) : 0;
  const int64_t parts = std::clamp<int64_t>((keys - from) / kKeysPerBlock, 1, kMostParts);
  int lanes = 1;
  while (lanes * 8 < head_dim) lanes *= 2;
  std::optional<Scratch> scratch;
  if (parts > 1)
    scratch.emplace(context, static_cast<size_t>(heads * parts * (head_dim + 2)) * sizeof(float));
  const OneQuery p{cu_q.data<int32_t>(),
                   cu_k.data<int32_t>(),
                   View(q),
                   View(k),
                   View(v),
                   View(out),
                   lse.data<float>(),
                   scratch ? scratch->as<float>() : nullptr,
                   keys,
                   max_length,
                   static_cast<int>(heads),
                   static_cast<int>(kv_heads),
                   static_cast<int>(head_dim),
                   lanes,
                   static_cast<int>(from),
                   static_cast<int>((keys - from + parts - 1) / parts),
                   static_cast<float>(scale) * kLog2e,
                   static_cast<float>(softcap) * kLog2e,
                   context.fault};
  part_kernel<<<dim3(static_cast<unsigned>(parts), static_cast<unsigned>(heads)), kThreads, 0,
                context.stream>>>(p);
  check_launch();
  if (parts == 1) return;
  merge_kernel<<<static_cast<unsigned>(heads), kThreads, 0, context.stream>>>(p, static_cast<int>(parts));
  check_launch();
}

}  // namespace qlora::cuda
