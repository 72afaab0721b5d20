#include "cpu/attention_plan.h"

namespace qlora::QLORA_ISA {

namespace {

constexpr float kLn2 = 0.693147181f;

/** All query heads of one kv head for up to kQueries queries of one sequence. */
struct Task {
  int64_t sequence, kv_head, first, queries, cost;
};

/**
 * A column is (query head of the group, query), head by head. Columns are processed in strips of two
 * vectors, one key tile at a time: scores, online softmax in base 2, product with the values.
 */
class Forward {
 public:
  Forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out, const Tensor& lse,
          std::vector<Sequence> sequences, int64_t heads, int64_t kv_heads, double scale, int64_t window,
          double softcap)
      : q_(q),
        k_(k),
        v_(v),
        out_(out),
        lse_(lse.data<float>()),
        sequences_(std::move(sequences)),
        heads_(heads),
        kv_heads_(kv_heads),
        group_(heads / kv_heads),
        dim_(q.cols() / heads),
        padded_((dim_ + kLanes - 1) / kLanes * kLanes),
        tokens_(q.rows()),
        scale_(static_cast<float>(scale * kLog2e)),
        window_(window),
        cap_(static_cast<float>(softcap * kLog2e)) {}

  std::vector<Task> tasks() const {
    std::vector<Task> tasks;
    for (size_t s = 0; s < sequences_.size(); s++) {
      for (int64_t first = 0; first < sequences_[s].queries; first += kQueries) {
        int64_t n = std::min(kQueries, sequences_[s].queries - first);
        int64_t cost = n * (seen(sequences_[s], first, n).end - seen(sequences_[s], first, n).begin);
        for (int64_t h = 0; h < kv_heads_; h++) tasks.push_back({static_cast<int64_t>(s), h, first, n, cost});
      }
    }
    return tasks;
  }

  void run(const Task& task) const {
    int64_t columns = group_ * task.queries;
    int64_t strips = (columns + kStrip - 1) / kStrip, width = strips * kStrip;
    Scratch scratch(width * (dim_ + padded_ + 5) + kKeys * (2 * padded_ + kStrip) + 256);
    Columns c{};
    c.q = scratch.take(width * dim_);
    c.out = scratch.take(width * padded_);
    c.max = scratch.take(width);
    c.sum = scratch.take(width);
    c.rescale = scratch.take(kStrip);
    c.begin = reinterpret_cast<int32_t*>(scratch.take(width));
    c.end = reinterpret_cast<int32_t*>(scratch.take(width));
    float* key_memory = scratch.take(kKeys * padded_);
    float* value_memory = scratch.take(kKeys * padded_);
    c.scores = scratch.take(kKeys * kStrip);
    load_queries(task, columns, width, c);

    const Sequence& s = sequences_[task.sequence];
    Range all = seen(s, task.first, task.queries);
    for (int64_t tile = all.begin / kKeys * kKeys; tile < all.end; tile += kKeys) {
      int64_t n = std::min(kKeys, all.end - tile), row = s.k_begin + tile;
      Rows keys = load_rows(k_, row, n, task.kv_head, columns, key_memory);
      Rows values = load_rows(v_, row, n, task.kv_head, columns, value_memory);
      for (int64_t at = 0; at < columns; at += kStrip) {
        if (columns - at > kLanes) {
          strip<2>(c, at, std::min(kStrip, columns - at), tile, n, keys, values);
        } else {
          strip<1>(c, at, columns - at, tile, n, keys, values);
        }
      }
    }
    store_queries(task, c);
  }

 private:
  struct Columns {
    float *q, *out;  // [strip][dim][kStrip], times scale * log2 e; [column][padded]
    float *max, *sum, *rescale, *scores;
    int32_t *begin, *end;  // the keys a column sees
  };

  /** A tile of keys or values, copied to scratch memory or in place. */
  struct Rows {
    const float* data;
    int64_t stride;
  };

  Range seen(const Sequence& s, int64_t first, int64_t n) const {
    return {keys_of(s, first, window_).begin, keys_of(s, first + n - 1, window_).end};
  }

  /** Copies the rows together, except in a decoding step, which reads them only once and can do so in place.
   */
  Rows load_rows(const FloatView& x, int64_t row, int64_t n, int64_t kv_head, int64_t columns,
                 float* memory) const {
    int64_t stride = kv_heads_ * dim_, at = row * stride + kv_head * dim_;
    if (x.dtype() == DType::f32 && dim_ == padded_ && columns <= kStrip)
      return {x.read(at, dim_, memory), stride};
    for (int64_t j = 0; j < n; j++)
      load_padded(x, at + j * stride, dim_, padded_, 1.0f, memory + j * padded_);
    return {memory, padded_};
  }

  int64_t row_of(const Task& task, int64_t column, int64_t& head) const {
    head = task.kv_head * group_ + column / task.queries;
    return sequences_[task.sequence].q_begin + task.first + column % task.queries;
  }

  void load_queries(const Task& task, int64_t columns, int64_t width, const Columns& c) const {
    float four[4 * 256];
    for (int64_t column = 0; column < width; column += 4) {
      for (int64_t i = 0; i < 4; i++) {
        if (column + i >= columns) {
          std::fill(four + i * dim_, four + (i + 1) * dim_, 0.0f);
          continue;
        }
        int64_t head, row = row_of(task, column + i, head);
        load_padded(q_, (row * heads_ + head) * dim_, dim_, dim_, scale_, four + i * dim_);
      }
      transpose_four(four, dim_, dim_, c.q + column / kStrip * kStrip * dim_ + column % kStrip, kStrip);
    }
    for (int64_t column = 0; column < width; column++) {
      int64_t query = task.first + std::min(column, columns - 1) % task.queries;
      Range keys = keys_of(sequences_[task.sequence], query, window_);
      c.begin[column] = static_cast<int32_t>(keys.begin);
      c.end[column] = static_cast<int32_t>(keys.end);
      c.max[column] = -INFINITY;
      c.sum[column] = 0;
    }
    std::fill(c.out, c.out + width * padded_, 0.0f);
  }

  void store_queries(const Task& task, const Columns& c) const {
    float buffer[256];
    for (int64_t column = 0; column < group_ * task.queries; column++) {
      int64_t head, row = row_of(task, column, head), at = (row * heads_ + head) * dim_;
      float sum = c.sum[column], inverse = sum == 0 ? 0 : 1 / sum;
      const float* from = c.out + column * padded_;
      float* to = out_.place(at, buffer);
      for (int64_t j = 0; j < dim_; j++) to[j] = from[j] * inverse;
      out_.write(at, dim_, to);
      lse_[head * tokens_ + row] = kLn2 * (c.max[column] + std::log2(sum));
    }
  }

  /** Columns [at, at + n) of V vectors against the keys [tile, tile + count). */
  template <int V>
  void strip(const Columns& c, int64_t at, int64_t n, int64_t tile, int64_t count, Rows keys,
             Rows values) const {
    auto least = [&](const int32_t* x, int64_t m) { return *std::min_element(x, x + m) - tile; };
    auto most = [&](const int32_t* x, int64_t m) { return *std::max_element(x, x + m) - tile; };
    int64_t first = std::max<int64_t>(0, least(c.begin + at, n)), last = std::min(count, most(c.end + at, n));
    if (first >= last) return;
    bool whole = most(c.begin + at, n) <= first && least(c.end + at, n) >= last;
    auto all = [&](int64_t, int64_t) { return Range{0, dim_}; };
    auto keys_seen = [&](int64_t a, int64_t b) {
      return Range{std::max(first, least(c.begin + at + a, b - a)),
                   std::min(last, most(c.end + at + a, b - a))};
    };
    multiply<Left::plain, Onto::nothing>(last - first, keys.data + first * keys.stride, keys.stride,
                                         c.q + at * dim_, kStrip, c.scores + first * kStrip, kStrip,
                                         V * kLanes, nullptr, all);
    if (cap_ > 0) cap<V>(c, {first, last});
    softmax<V>(c, at, tile, {first, last}, whole);
    multiply<Left::transposed, Onto::scaled_sum>(n, c.scores, kStrip, values.data, values.stride,
                                                 c.out + at * padded_, padded_, padded_, c.rescale,
                                                 keys_seen);
  }

  template <int V>
  void cap(const Columns& c, Range keys) const {
    for (int64_t j = keys.begin; j < keys.end; j++)
      for (int v = 0; v < V; v++) {
        float* score = c.scores + j * kStrip + v * kLanes;
        store(score, capped(load(score), cap_));
      }
  }

  /**
   * scores = 2^(scores - max), with the running max and sum; results of earlier tiles must be multiplied by
   * rescale.
   */
  template <int V>
  static void softmax(const Columns& c, int64_t at, int64_t tile, Range keys, bool whole) {
    for (int v = 0; v < V; v++) {
      float* scores = c.scores + v * kLanes;
      int64_t column = at + v * kLanes;
      if (!whole) {
        IntLanes begin, end;
        std::memcpy(&begin, c.begin + column, sizeof begin);
        std::memcpy(&end, c.end + column, sizeof end);
        for (int64_t j = keys.begin; j < keys.end; j++) {
          IntLanes key = static_cast<int32_t>(tile + j) - IntLanes{};
          Lanes x = load(scores + j * kStrip);
          store(scores + j * kStrip, (key >= begin) & (key < end) ? x : spread(-INFINITY));
        }
      }
      Lanes before = load(c.max + column), most = before;
      for (int64_t j = keys.begin; j < keys.end; j++) most = larger(load(scores + j * kStrip), most);
      Lanes base = most == spread(-INFINITY) ? Lanes{} : most;  // no key seen yet: avoids -inf - -inf
      Lanes rescale = exp2_lanes(before - base), sum = load(c.sum + column) * rescale;
      for (int64_t j = keys.begin; j < keys.end; j++) {
        Lanes p = exp2_lanes(load(scores + j * kStrip) - base);
        store(scores + j * kStrip, p);
        sum += p;
      }
      store(c.max + column, most);
      store(c.sum + column, sum);
      store(c.rescale + v * kLanes, rescale);
    }
  }

  FloatView q_, k_, v_, out_;
  float* lse_;
  std::vector<Sequence> sequences_;
  int64_t heads_, kv_heads_, group_, dim_, padded_, tokens_;
  float scale_;
  int64_t window_;
  float cap_;  // of scores in base 2; 0 = none
};

}  // namespace

void CpuOps::attention_forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cu_q,
                               const Tensor& cu_k, const Tensor& out, const Tensor& lse, int64_t heads,
                               int64_t kv_heads, double scale, int64_t window, double softcap,
                               int64_t max_length) {
  check_cu("attention_forward", "cu_q", cu_q, q.rows(), max_length);
  check_cu("attention_forward", "cu_k", cu_k, k.rows(), 0);
  Forward forward(q, k, v, out, lse, sequences_of(cu_q, cu_k), heads, kv_heads, scale, window, softcap);
  std::vector<Task> tasks = forward.tasks();
  run_tasks(tasks, [&](const Task& task) { forward.run(task); });
}

}  // namespace qlora::QLORA_ISA
