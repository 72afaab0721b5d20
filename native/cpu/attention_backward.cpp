#include "core/backend.h"
#include "cpu/attention_plan.h"
#include "cpu/reduce.h"
#include "cpu/scratch.h"

namespace qlora::QLORA_ISA {

namespace {

/** One query head of one sequence. */
struct Task {
  int64_t sequence, head, cost;
};

struct Arguments {
  const Tensor &dout, &q, &k, &v, &out, &lse, &dq;
  int64_t heads, kv_heads, window;
  float scale, softcap;
};

/**
 * A task loops over its query tiles and, for each, over the key tiles that it sees; scores and their
 * gradient are recomputed from q, k and lse. dq of the tile stays in the cache. dk and dv of the head are
 * summed in fp32, [head][token][padded]; the heads of a group are added in order afterwards, so that no
 * result depends on the threads.
 */
class Backward {
 public:
  Backward(const Arguments& a, std::vector<Sequence> sequences, const Tensor& dk, const Tensor& dv)
      : dout_(a.dout),
        q_(a.q),
        k_(a.k),
        v_(a.v),
        out_(a.out),
        dq_(a.dq),
        lse_(a.lse.data<float>()),
        dk_(dk.data<float>()),
        dv_(dv.data<float>()),
        sequences_(std::move(sequences)),
        heads_(a.heads),
        kv_heads_(a.kv_heads),
        dim_(a.q.cols() / a.heads),
        padded_(dk.cols()),
        tokens_(a.q.rows()),
        scale_(a.scale),
        window_(a.window),
        cap_(a.softcap * static_cast<float>(kLog2e)) {}

  std::vector<Task> tasks() const {
    std::vector<Task> tasks;
    for (size_t s = 0; s < sequences_.size(); s++) {
      int64_t n = sequences_[s].queries, width = window_ > 0 ? std::min(window_, n) : n;
      for (int64_t h = 0; h < heads_ && n > 0; h++) tasks.push_back({static_cast<int64_t>(s), h, n * width});
    }
    return tasks;
  }

  void run(const Task& task) const {
    constexpr int64_t kScores = kKeys * kQueries;
    Scratch scratch(2 * kQueries * dim_ + 5 * kQueries * padded_ + 2 * kScores + 2 * kQueries + 256);
    Tile t{};
    t.q_columns = scratch.take(dim_ * kQueries);
    t.dout_columns = scratch.take(dim_ * kQueries);
    t.q = scratch.take(kQueries * padded_);
    t.dout = scratch.take(kQueries * padded_);
    t.dq = scratch.take(kQueries * padded_);
    t.keys = scratch.take(kKeys * padded_);
    t.values = scratch.take(kKeys * padded_);
    t.p = scratch.take(kScores);
    t.ds = scratch.take(kScores);
    t.lse = scratch.take(kQueries);
    t.delta = scratch.take(kQueries);

    const Sequence& s = sequences_[task.sequence];
    float* dk = dk_ + (task.head * tokens_ + s.k_begin) * padded_;
    float* dv = dv_ + (task.head * tokens_ + s.k_begin) * padded_;
    std::fill(dk, dk + s.keys * padded_, 0.0f);
    std::fill(dv, dv + s.keys * padded_, 0.0f);
    for (t.first = 0; t.first < s.queries; t.first += kQueries) {
      t.queries = std::min(kQueries, s.queries - t.first);
      load_queries(s, task.head, t);
      int64_t begin = keys_of(s, t.first, window_).begin, end = t.first + t.queries;
      for (t.key = begin / kKeys * kKeys; t.key < end; t.key += kKeys) {
        t.count = std::min(kKeys, end - t.key);
        load_keys(s, task.head / (heads_ / kv_heads_), t);
        add_tile(t, dk + t.key * padded_, dv + t.key * padded_);
      }
      store_dq(s, task.head, t);
    }
  }

 private:
  struct Tile {
    float *q_columns, *dout_columns;       // [dim][kQueries]; q times scale
    float *q, *dout, *dq, *keys, *values;  // [row][padded]; q times scale
    float *p, *ds;                         // [key][kQueries]
    float *lse, *delta;                    // per query; lse in base 2
    int64_t first, queries, key, count;    // which queries and keys of the sequence
  };

  void load_queries(const Sequence& s, int64_t head, const Tile& t) const {
    float out[256];
    int64_t width = (t.queries + kStrip - 1) / kStrip * kStrip;
    for (int64_t i = 0; i < width; i++) {
      float *q = t.q + i * padded_, *dout = t.dout + i * padded_;
      if (i >= t.queries) {  // a column of zeros: p = 2^(0 - inf) = 0
        std::fill(q, q + padded_, 0.0f);
        std::fill(dout, dout + padded_, 0.0f);
        t.lse[i] = INFINITY;
        t.delta[i] = 0;
        continue;
      }
      int64_t row = s.q_begin + t.first + i, at = (row * heads_ + head) * dim_;
      load_padded(q_, at, dim_, padded_, scale_, q);
      load_padded(dout_, at, dim_, padded_, 1.0f, dout);
      t.lse[i] = lse_[head * tokens_ + row] * static_cast<float>(kLog2e);
      t.delta[i] = dot(out_.read(at, dim_, out), dout, dim_);
    }
    for (int64_t i = 0; i < width; i += 4) {
      transpose_four(t.q + i * padded_, padded_, dim_, t.q_columns + i, kQueries);
      transpose_four(t.dout + i * padded_, padded_, dim_, t.dout_columns + i, kQueries);
    }
    std::fill(t.dq, t.dq + t.queries * padded_, 0.0f);
  }

  void load_keys(const Sequence& s, int64_t kv_head, const Tile& t) const {
    for (int64_t j = 0; j < t.count; j++) {
      int64_t at = ((s.k_begin + t.key + j) * kv_heads_ + kv_head) * dim_;
      load_padded(k_, at, dim_, padded_, 1.0f, t.keys + j * padded_);
      load_padded(v_, at, dim_, padded_, 1.0f, t.values + j * padded_);
    }
  }

  void store_dq(const Sequence& s, int64_t head, const Tile& t) const {
    float buffer[256];
    for (int64_t i = 0; i < t.queries; i++) {
      int64_t at = ((s.q_begin + t.first + i) * heads_ + head) * dim_;
      float* to = dq_.place(at, buffer);
      for (int64_t j = 0; j < dim_; j++) to[j] = t.dq[i * padded_ + j] * scale_;
      dq_.write(at, dim_, to);
    }
  }

  /** Keys of the tile that queries [a, b) of the tile can see. */
  Range keys_seen(const Tile& t, int64_t a, int64_t b) const {
    int64_t begin = window_ > 0 ? t.first + a + 1 - window_ - t.key : 0;
    return {std::max<int64_t>(0, begin), std::min(t.count, t.first + b - t.key)};
  }

  /** Queries of the tile that can see some of the keys [a, b) of the tile. */
  Range queries_seeing(const Tile& t, int64_t a, int64_t b) const {
    int64_t end = window_ > 0 ? t.key + b - 1 + window_ - t.first : t.queries;
    return {std::max<int64_t>(0, t.key + a - t.first), std::min(t.queries, end)};
  }

  void add_tile(const Tile& t, float* dk, float* dv) const {
    int64_t column = 0;
    for (; t.queries - column > kLanes; column += kStrip) strip<2>(t, column);
    if (column < t.queries) strip<1>(t, column);
    auto queries = [&](int64_t a, int64_t b) { return queries_seeing(t, a, b); };
    auto keys = [&](int64_t a, int64_t b) { return keys_seen(t, a, b); };
    multiply<Left::plain, Onto::sum>(t.count, t.p, kQueries, t.dout, padded_, dv, padded_, padded_, nullptr,
                                     queries);
    multiply<Left::plain, Onto::sum>(t.count, t.ds, kQueries, t.q, padded_, dk, padded_, padded_, nullptr,
                                     queries);
    multiply<Left::transposed, Onto::sum>(t.queries, t.ds, kQueries, t.keys, padded_, t.dq, padded_, padded_,
                                          nullptr, keys);
  }

  /** p and ds of V vectors of queries from `column` on; zero if the query does not see the key. */
  template <int V>
  void strip(const Tile& t, int64_t column) const {
    Range keys = keys_seen(t, column, std::min(column + V * kLanes, t.queries));
    auto zero = [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; j++) {
        for (int v = 0; v < V; v++) {
          store(t.p + j * kQueries + column + v * kLanes, Lanes{});
          store(t.ds + j * kQueries + column + v * kLanes, Lanes{});
        }
      }
    };
    if (keys.begin >= keys.end) return zero(0, t.count);
    zero(0, keys.begin);
    zero(keys.end, t.count);
    int64_t at = keys.begin * kQueries + column, n = keys.end - keys.begin;
    auto all = [&](int64_t, int64_t) { return Range{0, dim_}; };
    multiply<Left::plain, Onto::nothing>(n, t.keys + keys.begin * padded_, padded_, t.q_columns + column,
                                         kQueries, t.p + at, kQueries, V * kLanes, nullptr, all);
    multiply<Left::plain, Onto::nothing>(n, t.values + keys.begin * padded_, padded_, t.dout_columns + column,
                                         kQueries, t.ds + at, kQueries, V * kLanes, nullptr, all);
    Range common{keys_seen(t, t.queries - 1, t.queries).begin, keys_seen(t, column, column + 1).end};
    bool whole = common.begin <= keys.begin && common.end >= keys.end;
    const Lanes log2e = spread(static_cast<float>(kLog2e));
    IntLanes ramp;
    for (int i = 0; i < kLanes; i++) ramp[i] = i;
    for (int v = 0; v < V; v++) {
      int64_t first = column + v * kLanes;
      Lanes lse = load(t.lse + first), delta = load(t.delta + first);
      IntLanes query = ramp + static_cast<int32_t>(t.first + first);
      int32_t window =
          static_cast<int32_t>(window_ > 0 ? std::min<int64_t>(window_, INT32_MAX / 2) : INT32_MAX / 2);
      for (int64_t j = keys.begin; j < keys.end; j++) {
        float *p = t.p + j * kQueries + first, *ds = t.ds + j * kQueries + first;
        Lanes x, y;
        if (cap_ > 0) {
          const Lanes score = capped(load(p) * log2e, cap_), share = score / spread(cap_);
          x = exp2_lanes(score - lse);
          y = x * (load(ds) - delta) * (spread(1.0f) - share * share);
        } else {
          x = exp2_lanes(multiply_add(load(p), log2e, -lse));
          y = x * (load(ds) - delta);
        }
        if (!whole) {
          IntLanes behind = query - static_cast<int32_t>(t.key + j);
          IntLanes sees = (behind >= 0) & (behind < window);
          x = sees ? x : Lanes{};
          y = sees ? y : Lanes{};
        }
        store(p, x);
        store(ds, y);
      }
    }
  }

  FloatView dout_, q_, k_, v_, out_, dq_;
  const float* lse_;
  float *dk_, *dv_;
  std::vector<Sequence> sequences_;
  int64_t heads_, kv_heads_, dim_, padded_, tokens_;
  float scale_;
  int64_t window_;
  float cap_;  // of scores in base 2; 0 = none
};

/** to[token][kv head] = sum over the group's heads, in order, of from[head][token][padded]. */
void add_groups(const Tensor& from, const Tensor& to, int64_t kv_heads) {
  FloatView out(to);
  const float* data = from.data<float>();
  int64_t tokens = to.rows(), dim = to.cols() / kv_heads, padded = from.cols();
  int64_t group = from.shape[0] / kv_heads;
  parallel_for(tokens, row_grain(group * to.cols()), [&](int64_t begin, int64_t end) {
    float buffer[256];
    for (int64_t t = begin; t < end; t++) {
      for (int64_t h = 0; h < kv_heads; h++) {
        int64_t at = (t * kv_heads + h) * dim;
        float* sum = out.place(at, buffer);
        const float* first = data + (h * group * tokens + t) * padded;
        std::copy(first, first + dim, sum);
        for (int64_t g = 1; g < group; g++) {
          const float* next = first + g * tokens * padded;
          for (int64_t j = 0; j < dim; j++) sum[j] += next[j];
        }
        out.write(at, dim, sum);
      }
    }
  });
}

}  // namespace

void CpuOps::attention_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v,
                                const Tensor& out, const Tensor& lse, const Tensor& cu, const Tensor& dq,
                                const Tensor& dk, const Tensor& dv, int64_t heads, int64_t kv_heads,
                                double scale, int64_t window, double softcap, int64_t max_length, bool) {
  check_cu("attention_backward", "cu", cu, q.rows(), max_length);
  int64_t padded = padded_head(q.cols() / heads);
  Tensor dk_heads = q.backend->empty(DType::f32, {heads, q.rows(), padded});
  Tensor dv_heads = q.backend->empty(DType::f32, {heads, q.rows(), padded});
  Arguments arguments{dout,
                      q,
                      k,
                      v,
                      out,
                      lse,
                      dq,
                      heads,
                      kv_heads,
                      window,
                      static_cast<float>(scale),
                      static_cast<float>(softcap)};
  Backward backward(arguments, sequences_of(cu, cu), dk_heads, dv_heads);
  std::vector<Task> tasks = backward.tasks();
  run_tasks(tasks, [&](const Task& task) { backward.run(task); });
  add_groups(dk_heads, dk, kv_heads);
  add_groups(dv_heads, dv, kv_heads);
}

}  // namespace qlora::QLORA_ISA
