#include "cuda/attention_backward.cuh"
#include "cuda/attention_scalar.cuh"

namespace qlora::cuda {

namespace {

/** Like mma_queries, in fp32 and for any dtypes: one warp per query. */
__global__ void __launch_bounds__(kThreads) scalar_queries(const Backward p) {
  extern __shared__ float shared_floats[];
  const ScalarTiles tiles(shared_floats, p.head_dim);
  Sequence s;
  int first;
  if (faulty(p.fault) || !find_tile(p.cu, p.cu, p.sequences, false, kWarps, blockIdx.x, s, first)) return;
  const int head = blockIdx.y, lane = threadIdx.x % 32, D = p.head_dim, query = first + threadIdx.x / 32;
  const int64_t q_stride = static_cast<int64_t>(p.heads) * D, k_stride = static_cast<int64_t>(p.kv_heads) * D;
  const int safe = min(query, s.queries - 1);
  const int64_t row = (s.q_begin + safe) * q_stride + head * D, column = head / p.group() * D;
  float *own_q = tiles.own(0), *own_dout = tiles.own(1), acc[kLaneColumns] = {};
  for (int d = lane; d < D; d += 32) own_q[d] = p.q.load(row + d), own_dout[d] = p.dout.load(row + d);
  const float lse = p.lse[head * p.tokens + s.q_begin + safe],
              delta = p.delta[head * p.tokens + s.q_begin + safe];
  const int end = s.end_key(min(first + kWarps, s.queries) - 1);
  for (int key = s.first_key(first, p.window); key < end; key += 32) {
    __syncthreads();
    tiles.load(0, p.k, s.k_begin + key, s.keys - key, k_stride, column);
    tiles.load(1, p.v, s.k_begin + key, s.keys - key, k_stride, column);
    __syncthreads();
    float weight;
    const float ds = p.score_gradient(false, s, query, key + lane, tiles.dot(own_q, 0, lane),
                                      tiles.dot(own_dout, 1, lane), lse, delta, weight);
    tiles.add_rows(acc, 0, ds);
  }
  if (query >= s.queries) return;
#pragma unroll
  for (int i = 0; i < kLaneColumns; i++)
    if (lane + 32 * i < D) p.dq.store(row + lane + 32 * i, acc[i] * p.scale);
}

/** Like mma_keys: one warp per key. */
__global__ void __launch_bounds__(kThreads) scalar_keys(const Backward p) {
  extern __shared__ float shared_floats[];
  const ScalarTiles tiles(shared_floats, p.head_dim);
  Sequence s;
  int first;
  if (faulty(p.fault) || !find_tile(p.cu, p.cu, p.sequences, true, kWarps, blockIdx.x, s, first)) return;
  const int kv_head = blockIdx.y, lane = threadIdx.x % 32, D = p.head_dim, key = first + threadIdx.x / 32;
  const int64_t q_stride = static_cast<int64_t>(p.heads) * D, k_stride = static_cast<int64_t>(p.kv_heads) * D;
  const int64_t row = (s.k_begin + min(key, s.keys - 1)) * k_stride + kv_head * D;
  float *own_k = tiles.own(0), *own_v = tiles.own(1), dk[kLaneColumns] = {}, dv[kLaneColumns] = {};
  for (int d = lane; d < D; d += 32) own_k[d] = p.k.load(row + d), own_v[d] = p.v.load(row + d);
  const int end = p.end_query(s, first, kWarps);
  for (int head = kv_head * p.group(); head < (kv_head + 1) * p.group(); head++) {
    for (int query = first; query < end; query += 32) {
      __syncthreads();
      tiles.load(0, p.q, s.q_begin + query, s.queries - query, q_stride, static_cast<int64_t>(head) * D);
      tiles.load(1, p.dout, s.q_begin + query, s.queries - query, q_stride, static_cast<int64_t>(head) * D);
      __syncthreads();
      const int64_t at = head * p.tokens + s.q_begin + min(query + lane, s.queries - 1);
      float weight;
      const float ds = p.score_gradient(false, s, query + lane, key, tiles.dot(own_k, 0, lane),
                                        tiles.dot(own_v, 1, lane), p.lse[at], p.delta[at], weight);
      tiles.add_rows(dv, 1, weight);
      tiles.add_rows(dk, 0, ds);
    }
  }
  if (key >= s.keys) return;
#pragma unroll
  for (int i = 0; i < kLaneColumns; i++)
    if (lane + 32 * i < D) {
      p.dk.store(row + lane + 32 * i, dk[i] * p.scale);
      p.dv.store(row + lane + 32 * i, dv[i]);
    }
}

}  // namespace

void launch_backward_scalar(const Context& context, const Backward& p) {
  const size_t bytes = ScalarTiles::bytes(p.head_dim, 2, 2);
  const unsigned tiles = tile_bound(p.tokens, p.sequences, kWarps);
  allow_shared(scalar_keys, bytes);
  scalar_keys<<<dim3(tiles, static_cast<unsigned>(p.kv_heads)), kThreads, bytes, context.stream>>>(p);
  check_launch();
  allow_shared(scalar_queries, bytes);
  scalar_queries<<<dim3(tiles, static_cast<unsigned>(p.heads)), kThreads, bytes, context.stream>>>(p);
  check_launch();
}

}  // namespace qlora::cuda
