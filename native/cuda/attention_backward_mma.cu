#include "cuda/attention_backward.cuh"
#include "cuda/attention_mma.cuh"

namespace qlora::cuda {

namespace {

/** Writes rows [first, ..) of a warp's accumulator times `scale`. */
template <int D>
__device__ void store_rows(const View& to, const float (*sum)[4], int64_t row_begin, int row0, int rows,
                           int64_t stride, int64_t column_begin, int head_dim, float scale) {
  const int t = threadIdx.x % 4;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int row = row0 + 8 * half;
    if (row >= rows) continue;
#pragma unroll
    for (int n = 0; n < D / 8; n++)
      for (int j = 0; j < 2; j++) {
        const int column = n * 8 + 2 * t + j;
        if (column < head_dim)
          to.store((row_begin + row) * stride + column_begin + column, sum[n][2 * half + j] * scale);
      }
  }
}

/** A block has 64 keys and loops over the queries of every head that shares them: dK and dV without atomics.
 */
template <typename T, int D>
__global__ void __launch_bounds__(kMmaThreads) mma_keys(const Backward p) {
  extern __shared__ __align__(16) char shared[];
  // Two stages of queries. The keys pass through the second one into registers before it is needed.
  const Tile<T, D> stages{reinterpret_cast<T*>(shared)}, k{stages.data + 2 * stages.kElements},
      v{k.data + k.kElements};
  float* rows = reinterpret_cast<float*>(v.data + v.kElements);  // lse and delta of a stage's queries
  Sequence s;
  int first;
  if (faulty(p.fault) || !find_tile(p.cu, p.cu, p.sequences, true, kRows, blockIdx.x, s, first)) return;
  const int kv_head = blockIdx.y, warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const int64_t q_stride = static_cast<int64_t>(p.heads) * p.head_dim,
                k_stride = static_cast<int64_t>(p.kv_heads) * p.head_dim;
  const int64_t k_first = (s.k_begin + first) * k_stride + kv_head * p.head_dim;
  k.load(static_cast<const T*>(p.k.data) + k_first, s.keys - first, k_stride, p.head_dim);
  v.load(static_cast<const T*>(p.v.data) + k_first, s.keys - first, k_stride, p.head_dim);
  copies_commit();
  copies_wait();
  __syncthreads();
  LeftRows<T, D> own_k, own_v;
  own_k.read(k, warp * 16);
  own_v.read(v, warp * 16);
  float dk[D / 8][4] = {}, dv[D / 8][4] = {};
  const int end = p.end_query(s, first, kRows), key0 = first + warp * 16 + g;
  const int per_head = (end - first + kRows - 1) / kRows, total = per_head * p.group();
  const auto start = [&](int i) {
    const int head = kv_head * p.group() + i / per_head, query = first + i % per_head * kRows;
    const Tile<T, D> q{stages.data + i % 2 * 2 * stages.kElements}, dout{q.data + q.kElements};
    const int64_t q_first = (s.q_begin + query) * q_stride + head * p.head_dim;
    q.load(static_cast<const T*>(p.q.data) + q_first, s.queries - query, q_stride, p.head_dim);
    dout.load(static_cast<const T*>(p.dout.data) + q_first, s.queries - query, q_stride, p.head_dim);
    const int row = threadIdx.x % kRows;  // the first 64 threads fetch lse, the others delta
    const bool exists = query + row < s.queries;
    const float* from =
        (threadIdx.x < kRows ? p.lse : p.delta) + head * p.tokens + s.q_begin + (exists ? query + row : 0);
    copy_word(rows + i % 2 * 2 * kRows + threadIdx.x, from, exists);
    copies_commit();
  };
  if (total > 0) start(0);
  for (int i = 0; i < total; i++) {
    copies_wait();
    __syncthreads();  // this stage has arrived, and the other is no longer read
    if (i + 1 < total) start(i + 1);
    const int query = first + i % per_head * kRows;
    const Tile<T, D> q{stages.data + i % 2 * 2 * stages.kElements}, dout{q.data + q.kElements};
    const float *lse = rows + i % 2 * 2 * kRows, *delta = lse + kRows;
    for (int c = 0; c < kRows; c += 16) {
      if (query + c + 15 < first + warp * 16) continue;  // all of them before this warp's keys
      float score[2][4], dweight[2][4];
      const bool whole = p.sees_all(s, query + c, first + warp * 16);
      own_k.scores(score, q, c);
      own_v.scores(dweight, dout, c);
#pragma unroll
      for (int n = 0; n < 2; n++)
        for (int j = 0; j < 4; j++) {
          const int column = c + n * 8 + 2 * t + j % 2;
          float weight;
          dweight[n][j] = p.score_gradient(whole, s, query + column, key0 + j / 2 * 8, score[n][j],
                                           dweight[n][j], lse[column], delta[column], weight);
          score[n][j] = weight;
        }
      uint32_t a[4];
      as_left<T>(a, score);
      accumulate<T, D>(dv, a, dout, c);
      as_left<T>(a, dweight);
      accumulate<T, D>(dk, a, q, c);
    }
  }
  const int64_t column = static_cast<int64_t>(kv_head) * p.head_dim;
  store_rows<D>(p.dk, dk, s.k_begin, key0, s.keys, k_stride, column, p.head_dim, p.scale);
  store_rows<D>(p.dv, dv, s.k_begin, key0, s.keys, k_stride, column, p.head_dim, 1.0f);
}

/** A block has 64 queries of a head and loops over their keys: dQ. */
template <typename T, int D>
__global__ void __launch_bounds__(kMmaThreads) mma_queries(const Backward p) {
  extern __shared__ __align__(16) char shared[];
  // Two stages of keys. The queries pass through the second one into registers before it is needed.
  const Tile<T, D> stages{reinterpret_cast<T*>(shared)}, q{stages.data + 2 * stages.kElements},
      dout{q.data + q.kElements};
  Sequence s;
  int first;
  if (faulty(p.fault) || !find_tile(p.cu, p.cu, p.sequences, false, kRows, blockIdx.x, s, first)) return;
  const int head = blockIdx.y, warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const int64_t q_stride = static_cast<int64_t>(p.heads) * p.head_dim,
                k_stride = static_cast<int64_t>(p.kv_heads) * p.head_dim;
  const int64_t q_first = (s.q_begin + first) * q_stride + head * p.head_dim,
                kv_column = head / p.group() * p.head_dim;
  q.load(static_cast<const T*>(p.q.data) + q_first, s.queries - first, q_stride, p.head_dim);
  dout.load(static_cast<const T*>(p.dout.data) + q_first, s.queries - first, q_stride, p.head_dim);
  copies_commit();
  copies_wait();
  __syncthreads();
  LeftRows<T, D> own_q, own_dout;
  own_q.read(q, warp * 16);
  own_dout.read(dout, warp * 16);
  const int row0 = first + warp * 16 + g;
  float lse[2], delta[2], dq[D / 8][4] = {};
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int query = min(row0 + 8 * half, s.queries - 1);
    lse[half] = p.lse[head * p.tokens + s.q_begin + query];
    delta[half] = p.delta[head * p.tokens + s.q_begin + query];
  }
  const int end = s.end_key(min(first + kRows, s.queries) - 1);
  const int begin = s.first_key(first, p.window) / kRows * kRows;
  const auto start = [&](int key) {
    const Tile<T, D> k{stages.data + (key - begin) / kRows % 2 * 2 * stages.kElements},
        v{k.data + k.kElements};
    const int64_t k_first = (s.k_begin + key) * k_stride + kv_column;
    k.load(static_cast<const T*>(p.k.data) + k_first, s.keys - key, k_stride, p.head_dim);
    v.load(static_cast<const T*>(p.v.data) + k_first, s.keys - key, k_stride, p.head_dim);
    copies_commit();
  };
  if (begin < end) start(begin);
  for (int key = begin; key < end; key += kRows) {
    copies_wait();
    __syncthreads();  // this stage has arrived, and the other is no longer read
    if (key + kRows < end) start(key + kRows);
    const Tile<T, D> k{stages.data + (key - begin) / kRows % 2 * 2 * stages.kElements},
        v{k.data + k.kElements};
    for (int c = 0; c < kRows; c += 16) {
      if (key + c > first + warp * 16 + 15 + s.keys - s.queries)
        break;  // all of them after this warp's queries
      float score[2][4], dweight[2][4];
      const bool whole = p.sees_all(s, first + warp * 16, key + c);
      own_q.scores(score, k, c);
      own_dout.scores(dweight, v, c);
#pragma unroll
      for (int n = 0; n < 2; n++)
        for (int j = 0; j < 4; j++) {
          float weight;
          dweight[n][j] = p.score_gradient(whole, s, row0 + j / 2 * 8, key + c + n * 8 + 2 * t + j % 2,
                                           score[n][j], dweight[n][j], lse[j / 2], delta[j / 2], weight);
        }
      uint32_t a[4];
      as_left<T>(a, dweight);
      accumulate<T, D>(dq, a, k, c);
    }
  }
  store_rows<D>(p.dq, dq, s.q_begin, row0, s.queries, q_stride, static_cast<int64_t>(head) * p.head_dim,
                p.head_dim, p.scale);
}

template <typename T, int D>
void launch(const Context& context, const Backward& p) {
  const size_t bytes = 4 * Tile<T, D>::kElements * sizeof(T) + 4 * kRows * sizeof(float);
  const unsigned tiles = tile_bound(p.tokens, p.sequences, kRows);
  allow_shared(mma_keys<T, D>, bytes);
  mma_keys<T, D><<<dim3(tiles, static_cast<unsigned>(p.kv_heads)), kMmaThreads, bytes, context.stream>>>(p);
  check_launch();
  allow_shared(mma_queries<T, D>, bytes);
  mma_queries<T, D><<<dim3(tiles, static_cast<unsigned>(p.heads)), kMmaThreads, bytes, context.stream>>>(p);
  check_launch();
}

}  // namespace

void launch_backward_mma(const Context& context, const Backward& p, DType dtype) {
  with_instance(dtype, p.head_dim, [&](auto tag, auto size) {
    launch<typename decltype(tag)::type, decltype(size)::value>(context, p);
  });
}

}  // namespace qlora::cuda
