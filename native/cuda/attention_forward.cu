#include "cuda/attention_mma.cuh"
#include "cuda/attention_one_query.h"
#include "cuda/attention_scalar.cuh"

namespace qlora::cuda {

namespace {

struct Forward {
  const int32_t *cu_q, *cu_k;
  View q, k, v, out;
  float* lse;
  int64_t tokens;
  int sequences, heads, kv_heads, head_dim, window;
  float scale, softcap;
  const Fault* fault;

  __device__ int kv_head(int head) const { return head / (heads / kv_heads); }
};

/**
 * FlashAttention-2: a block has 64 queries of a head and loops over their keys once, with a running
 * softmax.
 */
template <typename T, int D>
__global__ void __launch_bounds__(kMmaThreads) mma_forward(const Forward p) {
  extern __shared__ __align__(16) char shared[];
  const Tile<T, D> q{reinterpret_cast<T*>(shared)}, k{q.data + q.kElements}, v{k.data + k.kElements};
  Sequence s;
  int first;
  if (faulty(p.fault) || !find_tile(p.cu_q, p.cu_k, p.sequences, false, kRows, blockIdx.x, s, first)) return;
  const int head = blockIdx.y, warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const int64_t q_stride = static_cast<int64_t>(p.heads) * p.head_dim,
                k_stride = static_cast<int64_t>(p.kv_heads) * p.head_dim;
  const T* keys = static_cast<const T*>(p.k.data) + s.k_begin * k_stride + p.kv_head(head) * p.head_dim;
  const T* values = static_cast<const T*>(p.v.data) + s.k_begin * k_stride + p.kv_head(head) * p.head_dim;
  const int last = min(first + kRows, s.queries) - 1, end = s.end_key(last);
  const int begin = s.first_key(first, p.window) / kRows * kRows;
  const int row0 = first + warp * 16 + g;  // and row0 + 8

  q.load(static_cast<const T*>(p.q.data) + (s.q_begin + first) * q_stride + head * p.head_dim,
         s.queries - first, q_stride, p.head_dim);
  if (begin < end) k.load(keys + begin * k_stride, s.keys - begin, k_stride, p.head_dim);
  copies_commit();

  LeftRows<T, D> own;
  float out[D / 8][4] = {}, most[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
  const float scale = p.scale * kLog2e, cap = p.softcap * kLog2e;
  for (int key = begin; key < end; key += kRows) {
    copies_wait();
    __syncthreads();  // the keys have arrived, and the last values are no longer read
    if (key == begin) own.read(q, warp * 16);
    v.load(values + key * k_stride, s.keys - key, k_stride, p.head_dim);
    copies_commit();
    float score[kRows / 8][4];
#pragma unroll
    for (int c = 0; c < kRows; c += 16) own.scores(score + c / 8, k, c);
    copies_wait();
    __syncthreads();  // the values have arrived, and the keys are no longer read
    if (key + kRows < end)
      k.load(keys + (key + kRows) * k_stride, s.keys - key - kRows, k_stride, p.head_dim);
    copies_commit();

#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int query = row0 + 8 * half, to = s.end_key(query), from = s.first_key(query, p.window);
      float largest = -INFINITY;
#pragma unroll
      for (int n = 0; n < kRows / 8; n++)
        for (int j = 2 * half; j < 2 * half + 2; j++) {
          const int column = key + n * 8 + 2 * t + j % 2;
          score[n][j] = column >= from && column < to ? capped(score[n][j] * scale, cap) : -INFINITY;
          largest = fmaxf(largest, score[n][j]);
        }
      largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 2));
      largest = fmaxf(largest, most[half]);
      const float base = largest == -INFINITY ? 0.0f : largest;  // no key seen yet: avoids -inf - -inf
      const float correction = exp2f(most[half] - base);
      most[half] = largest;
      sum[half] *= correction;
#pragma unroll
      for (int n = 0; n < kRows / 8; n++)
        for (int j = 2 * half; j < 2 * half + 2; j++) {
          score[n][j] = exp2f(score[n][j] - base);
          sum[half] += score[n][j];
        }
#pragma unroll
      for (int n = 0; n < D / 8; n++)
        for (int j = 2 * half; j < 2 * half + 2; j++) out[n][j] *= correction;
    }
#pragma unroll
    for (int c = 0; c < kRows; c += 16) {
      uint32_t a[4];
      as_left<T>(a, score + c / 8);
      accumulate<T, D>(out, a, v, c);
    }
  }
  copies_wait();
#pragma unroll
  for (int half = 0; half < 2; half++) {
    sum[half] += __shfl_xor_sync(~0u, sum[half], 1);
    sum[half] += __shfl_xor_sync(~0u, sum[half], 2);
    const int query = row0 + 8 * half;
    if (query >= s.queries) continue;
    const int64_t row = s.q_begin + query;
    if (t == 0) p.lse[head * p.tokens + row] = kLn2 * (most[half] + log2f(sum[half]));
    const float inverse = sum[half] > 0 ? 1.0f / sum[half] : 0.0f;
#pragma unroll
    for (int n = 0; n < D / 8; n++)
      for (int j = 0; j < 2; j++) {
        const int column = n * 8 + 2 * t + j;
        if (column < p.head_dim)
          p.out.store(row * q_stride + head * p.head_dim + column, out[n][2 * half + j] * inverse);
      }
  }
}

/** For any dtypes, in fp32: one warp per query. */
__global__ void __launch_bounds__(kThreads) scalar_forward(const Forward p) {
  extern __shared__ float shared_floats[];
  const ScalarTiles tiles(shared_floats, p.head_dim);
  Sequence s;
  int first;
  if (faulty(p.fault) || !find_tile(p.cu_q, p.cu_k, p.sequences, false, kWarps, blockIdx.x, s, first)) return;
  const int head = blockIdx.y, lane = threadIdx.x % 32, query = first + threadIdx.x / 32, D = p.head_dim;
  const int64_t q_stride = static_cast<int64_t>(p.heads) * D, k_stride = static_cast<int64_t>(p.kv_heads) * D;
  const int64_t row = (s.q_begin + query) * q_stride + head * D, column = p.kv_head(head) * D;
  const bool exists = query < s.queries;
  float* own = tiles.own(0);
  for (int d = lane; d < D; d += 32) own[d] = exists ? p.q.load(row + d) : 0.0f;
  const int to = exists ? s.end_key(query) : 0, from = exists ? s.first_key(query, p.window) : 0;
  const int end = s.end_key(min(first + kWarps, s.queries) - 1), begin = s.first_key(first, p.window);
  float acc[kLaneColumns] = {}, most = -INFINITY, sum = 0;
  for (int key = begin; key < end; key += 32) {
    __syncthreads();
    tiles.load(0, p.k, s.k_begin + key, s.keys - key, k_stride, column);
    tiles.load(1, p.v, s.k_begin + key, s.keys - key, k_stride, column);
    __syncthreads();
    const bool seen = key + lane >= from && key + lane < to;
    const float score = seen ? capped(tiles.dot(own, 0, lane) * p.scale, p.softcap) : -INFINITY;
    const float largest = fmaxf(most, warp_max(score)), base = largest == -INFINITY ? 0.0f : largest;
    const float correction = expf(most - base), weight = expf(score - base);
    most = largest;
    sum = sum * correction + warp_sum(weight);
#pragma unroll
    for (int i = 0; i < kLaneColumns; i++) acc[i] *= correction;
    tiles.add_rows(acc, 1, weight);
  }
  if (!exists) return;
  if (lane == 0) p.lse[head * p.tokens + s.q_begin + query] = most + logf(sum);
#pragma unroll
  for (int i = 0; i < kLaneColumns; i++)
    if (lane + 32 * i < D) p.out.store(row + lane + 32 * i, sum > 0 ? acc[i] / sum : 0.0f);
}

}  // namespace

void CudaOps::attention_forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cu_q,
                                const Tensor& cu_k, const Tensor& out, const Tensor& lse, int64_t heads,
                                int64_t kv_heads, double scale, int64_t window, double softcap,
                                int64_t max_length) {
  const int64_t tokens = q.rows(), head_dim = q.cols() / heads, sequences = cu_q.numel() - 1;
  // In training queries and keys have the same sequences; with a cache they do not.
  const bool same = cu_q.data<char>() == cu_k.data<char>() && k.rows() == tokens;
  const AttentionCall call{q,       k,     v,        cu_q,  out,    lse,     nullptr,    nullptr, nullptr,
                           nullptr, heads, kv_heads, scale, window, softcap, max_length, false};
  if (same && context_.cudnn.run(context_, call)) return;
  if (max_length == 1 || (tokens == 1 && sequences == 1)) {
    attention_one_query(context_, q, k, v, cu_q, cu_k, out, lse, heads, kv_heads, scale, window, softcap);
    return;
  }
  check_cu(context_, cu_q, tokens, max_length);
  if (!same) check_cu(context_, cu_k, k.rows(), 0);
  if (tokens == 0) return;
  const Forward p{cu_q.data<int32_t>(),
                  cu_k.data<int32_t>(),
                  View(q),
                  View(k),
                  View(v),
                  View(out),
                  lse.data<float>(),
                  tokens,
                  static_cast<int>(sequences),
                  static_cast<int>(heads),
                  static_cast<int>(kv_heads),
                  static_cast<int>(head_dim),
                  static_cast<int>(std::min<int64_t>(window, INT32_MAX)),
                  static_cast<float>(scale),
                  static_cast<float>(softcap),
                  context_.fault};
  if (fits_mma(context_.gpu, {&q, &k, &v}, head_dim, 3)) {
    return with_instance(q.dtype, head_dim, [&](auto tag, auto size) {
      using T = typename decltype(tag)::type;
      constexpr int D = decltype(size)::value;
      const size_t bytes = 3 * Tile<T, D>::kElements * sizeof(T);
      allow_shared(mma_forward<T, D>, bytes);
      const dim3 grid(tile_bound(tokens, sequences, kRows), static_cast<unsigned>(heads));
      mma_forward<T, D><<<grid, kMmaThreads, bytes, context_.stream>>>(p);
      check_launch();
    });
  }
  const size_t bytes = ScalarTiles::bytes(head_dim, 2, 1);
  allow_shared(scalar_forward, bytes);
  scalar_forward<<<dim3(tile_bound(tokens, sequences, kWarps), static_cast<unsigned>(heads)), kThreads, bytes,
                   context_.stream>>>(p);
  check_launch();
}

}  // namespace qlora::cuda
