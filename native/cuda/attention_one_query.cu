#include <optional>

#include "cuda/attention.cuh"
#include "cuda/attention_one_query.h"

// At most one new token per sequence, with a cache. Tiles of queries would leave most of the GPU idle, so
// the keys of a sequence are split between several blocks. Each block writes its maximum, sum and weighted
// values, which are merged afterwards. A block has all heads that share keys. Lengths are read only on the
// device, so a recorded launch works for a growing cache.
namespace qlora::cuda {

namespace {

constexpr int kKeysPerBlock = 32;   // fewer are not worth a block
constexpr int64_t kMostParts = 64;  // of a sequence's keys; longer ones have longer parts
constexpr int64_t kWantedBlocks = 512;

struct OneQuery {
  const int32_t *cu_q, *cu_k;
  View q, k, v, out;
  float* lse;
  float* parts;  // [tokens, heads, parts, head_dim + 2], or null when there is one part
  int64_t tokens, keys, window;
  int sequences, heads, kv_heads, head_dim, lanes;
  float scale, softcap;  // in base 2
  Fault* fault;
};

/** The keys of a part: those of all parts are the last `window` of the sequence. */
struct Keys {
  int64_t query, first, end;
};

/** False if the sequence has no query, or if a bound is invalid, which is a fault. */
__device__ bool find_keys(const OneQuery& p, int sequence, int part, int parts, Keys& keys) {
  const int32_t q0 = p.cu_q[sequence], q1 = p.cu_q[sequence + 1];
  const int32_t k0 = p.cu_k[sequence], k1 = p.cu_k[sequence + 1];
  const int last = p.sequences - 1;
  const auto blame = [&](FaultKind kind, int64_t index, int32_t value, int64_t limit) {
    raise(p.fault, kind, index, value, limit);
    return false;
  };
  if (sequence == 0 && q0 != 0) return blame(FaultKind::cu_start, 0, q0, 0);
  if (sequence == 0 && k0 != 0) return blame(FaultKind::cu_start, 0, k0, 0);
  if (q1 < q0) return blame(FaultKind::cu_order, sequence + 1, q1, q0);
  if (k1 < k0) return blame(FaultKind::cu_order, sequence + 1, k1, k0);
  if (q1 - q0 > 1) return blame(FaultKind::cu_length, sequence, q1 - q0, 1);
  // Of the bounds between the first and the last, only this block's have been checked.
  if (q1 > p.tokens || (sequence == last && q1 != p.tokens))
    return blame(FaultKind::cu_end, sequence + 1, q1, p.tokens);
  if (k1 > p.keys || (sequence == last && k1 != p.keys))
    return blame(FaultKind::cu_end, sequence + 1, k1, p.keys);
  if (q1 == q0 || q0 < 0 || k0 < 0) return false;
  const int64_t begin = p.window > 0 ? max(int64_t{k0}, k1 - p.window) : k0;
  const int64_t each = max(kKeysPerBlock, (static_cast<int>(k1 - begin) + parts - 1) / parts);
  keys = {q0, min(begin + part * each, int64_t{k1}), min(begin + (part + 1) * each, int64_t{k1})};
  return true;
}

/** What to subtract from scores whose largest is `most`: 0 if no key was seen, since -inf - -inf is NaN. */
__device__ float base_of(float most) { return most == -INFINITY ? 0.0f : most; }

/**
 * Running softmax over the keys that one group of lanes has seen, for one head; a lane has 8 of its
 * columns.
 */
struct Running {
  float most = -INFINITY, sum = 0, values[8] = {};

  __device__ void rescale(float largest) {
    const float correction = exp2f(most - base_of(largest));
    most = largest;
    sum *= correction;
    for (int j = 0; j < 8; j++) values[j] *= correction;
  }

  /** Takes in what the lane `offset` away has seen, which does the same. */
  __device__ void merge_lanes(int offset) {
    const float other = __shfl_xor_sync(~0u, most, offset);
    rescale(fmaxf(most, other));
    sum += __shfl_xor_sync(~0u, sum, offset);
    for (int j = 0; j < 8; j++) values[j] += __shfl_xor_sync(~0u, values[j], offset);
  }
};

/** Writes a head's result, or that of its part. */
__device__ void finish(const OneQuery& p, int64_t query, int head, int part, int parts, int column,
                       float most, float sum, float value) {
  if (parts > 1) {
    float* to = p.parts + ((query * p.heads + head) * parts + part) * (p.head_dim + 2);
    to[2 + column] = value;
    if (column == 0) to[0] = most, to[1] = sum;
    return;
  }
  p.out.store((query * p.heads + head) * p.head_dim + column, value * (sum > 0 ? 1.0f / sum : 0.0f));
  if (column == 0) p.lse[head * p.tokens + query] = kLn2 * (most + log2f(sum));
}

/**
 * Block (part, group of kHeads heads with the same keys, sequence). Groups of `lanes` lanes take one key
 * each; lanes is a power of two of at least head_dim / 8.
 */
template <int kHeads, bool kCapped>
__global__ void __launch_bounds__(kThreads) part_kernel(const OneQuery p) {
  constexpr int kAtOnce = kHeads > 2 ? 2 : 4;  // keys that a thread loads at a time
  constexpr int kWarps = kThreads / 32;
  __shared__ float most[kWarps][kHeads], sum[kWarps][kHeads];
  __shared__ __align__(16) float values[kWarps][kHeads][32 * 8];
  wait_for_previous();
  Keys keys;
  if (!find_keys(p, blockIdx.z, blockIdx.x, gridDim.x, keys)) return;
  const int head0 = blockIdx.y * kHeads, groups = kThreads / p.lanes;
  const int group = threadIdx.x / p.lanes, column = threadIdx.x % p.lanes * 8;
  const bool exists = column < p.head_dim;
  const int64_t stride = static_cast<int64_t>(p.kv_heads) * p.head_dim, n = p.keys * stride;
  const int64_t begin = static_cast<int64_t>(head0 / (p.heads / p.kv_heads)) * p.head_dim + column;
  float q[kHeads][8] = {};
  if (exists)
    for (int h = 0; h < kHeads; h++)
      p.q.load8((keys.query * p.heads + head0 + h) * p.head_dim + column, p.tokens * p.heads * p.head_dim,
                q[h]);
  Running own[kHeads];
  for (int64_t base = keys.first; base < keys.end; base += groups * kAtOnce) {
    float k[kAtOnce][8] = {}, v[kAtOnce][8] = {};
#pragma unroll
    for (int u = 0; u < kAtOnce; u++) {
      const int64_t key = base + u * groups + group;
      if (key >= keys.end || !exists) continue;
      p.k.load8(key * stride + begin, n, k[u]);
      p.v.load8(key * stride + begin, n, v[u]);
    }
#pragma unroll
    for (int h = 0; h < kHeads; h++) {
      float score[kAtOnce], largest = own[h].most;
#pragma unroll
      for (int u = 0; u < kAtOnce; u++) {
        score[u] = 0;
        for (int j = 0; j < 8; j++) score[u] = fmaf(q[h][j], k[u][j], score[u]);
#pragma unroll
        for (int offset = 16; offset > 0; offset /= 2)
          if (offset < p.lanes) score[u] += __shfl_xor_sync(~0u, score[u], offset);
        score[u] *= p.scale;
        if constexpr (kCapped) score[u] = capped(score[u], p.softcap);
        if (base + u * groups + group >= keys.end) score[u] = -INFINITY;
        largest = fmaxf(largest, score[u]);
      }
      own[h].rescale(largest);
#pragma unroll
      for (int u = 0; u < kAtOnce; u++) {
        const float weight = exp2f(score[u] - base_of(largest));
        own[h].sum += weight;
        for (int j = 0; j < 8; j++) own[h].values[j] = fmaf(weight, v[u][j], own[h].values[j]);
      }
    }
  }
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
  for (int h = 0; h < kHeads; h++) {
#pragma unroll
    for (int offset = 1; offset < 32; offset *= 2)
      if (offset >= p.lanes) own[h].merge_lanes(offset);
    if (lane >= p.lanes) continue;
    if (lane == 0) most[warp][h] = own[h].most, sum[warp][h] = own[h].sum;
    float4* const to = reinterpret_cast<float4*>(values[warp][h] + column);
    to[0] = make_float4(own[h].values[0], own[h].values[1], own[h].values[2], own[h].values[3]);
    to[1] = make_float4(own[h].values[4], own[h].values[5], own[h].values[6], own[h].values[7]);
  }
  __syncthreads();
  const int width = p.lanes * 8;  // head_dim or more
  for (int i = threadIdx.x; i < kHeads * width; i += kThreads) {
    const int h = i >> (31 - __clz(width)), c = i & (width - 1);
    if (c >= p.head_dim) continue;
    float largest = -INFINITY, total = 0, value = 0;
    for (int w = 0; w < kWarps; w++) largest = fmaxf(largest, most[w][h]);
    for (int w = 0; w < kWarps; w++) {
      const float weight = exp2f(most[w][h] - base_of(largest));
      total = fmaf(weight, sum[w][h], total);
      value = fmaf(weight, values[w][h][c], value);
    }
    finish(p, keys.query, head0 + h, blockIdx.x, gridDim.x, c, largest, total, value);
  }
}

/** Merges the parts of a head; block (head, sequence). */
__global__ void __launch_bounds__(kThreads) merge_kernel(const OneQuery p, int parts) {
  wait_for_previous();
  Keys keys;
  if (!find_keys(p, blockIdx.y, 0, parts, keys) || threadIdx.x >= p.head_dim) return;
  const int head = blockIdx.x, stride = p.head_dim + 2;
  const float* from = p.parts + (keys.query * p.heads + head) * parts * stride;
  float most = -INFINITY, sum = 0, value = 0;
  for (int i = 0; i < parts; i++) most = fmaxf(most, from[i * stride]);
  for (int i = 0; i < parts; i++) {
    const float weight = exp2f(from[i * stride] - base_of(most));
    sum = fmaf(weight, from[i * stride + 1], sum);
    value = fmaf(weight, from[i * stride + 2 + threadIdx.x], value);
  }
  finish(p, keys.query, head, 0, 1, threadIdx.x, most, sum, value);
}

template <int kHeads>
void launch_parts(const Context& context, const OneQuery& p, int parts) {
  const dim3 grid(static_cast<unsigned>(parts), static_cast<unsigned>(p.heads / kHeads),
                  static_cast<unsigned>(p.sequences));
  // Without a cap, its tanh would only use registers and so reduce the number of blocks that run at once.
  const auto kernel = p.softcap > 0 ? part_kernel<kHeads, true> : part_kernel<kHeads, false>;
  launch_overlapping(context, kernel, grid, kThreads, 0, p);
}

/** Number of heads of a block: as many as share keys, if there is a kernel for that number. */
int heads_at_once(int64_t sharing) {
  return sharing % 4 == 0 ? 4 : sharing % 3 == 0 ? 3 : sharing % 2 == 0 ? 2 : 1;
}

}  // namespace

void attention_one_query(const Context& context, const Tensor& q, const Tensor& k, const Tensor& v,
                         const Tensor& cu_q, const Tensor& cu_k, const Tensor& out, const Tensor& lse,
                         int64_t heads, int64_t kv_heads, double scale, int64_t window, double softcap) {
  const int64_t head_dim = q.cols() / heads, tokens = q.rows();
  if (tokens == 0) return;
  const int at_once = heads_at_once(heads / kv_heads);
  // Enough parts to fill the GPU; a sequence's length is only known on the device.
  const int64_t wanted = (kWantedBlocks * at_once + tokens * heads - 1) / (tokens * heads);
  const int64_t parts =
      std::clamp<int64_t>(std::min(wanted, k.rows() / tokens / kKeysPerBlock), 1, kMostParts);
  int lanes = 1;
  while (lanes * 8 < head_dim) lanes *= 2;
  std::optional<Scratch> scratch;
  if (parts > 1)
    scratch.emplace(context, static_cast<size_t>(tokens * heads * parts * (head_dim + 2)) * sizeof(float));
  const OneQuery p{cu_q.data<int32_t>(),
                   cu_k.data<int32_t>(),
                   View(q),
                   View(k),
                   View(v),
                   View(out),
                   lse.data<float>(),
                   scratch ? scratch->as<float>() : nullptr,
                   tokens,
                   k.rows(),
                   window,
                   static_cast<int>(cu_q.numel() - 1),
                   static_cast<int>(heads),
                   static_cast<int>(kv_heads),
                   static_cast<int>(head_dim),
                   lanes,
                   static_cast<float>(scale) * kLog2e,
                   static_cast<float>(softcap) * kLog2e,
                   context.fault};
  const auto launch = at_once == 4   ? launch_parts<4>
                      : at_once == 3 ? launch_parts<3>
                      : at_once == 2 ? launch_parts<2>
                                     : launch_parts<1>;
  launch(context, p, static_cast<int>(parts));
  if (parts == 1) return;
  const dim3 grid(static_cast<unsigned>(heads), static_cast<unsigned>(p.sequences));
  launch_overlapping(context, merge_kernel, grid, kThreads, 0, p, static_cast<int>(parts));
}

}  // namespace qlora::cuda
