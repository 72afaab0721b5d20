#include <cmath>

#include "cpu/reduce.h"
#include "cpu/vec_math.h"

namespace qlora::QLORA_ISA {

namespace {

constexpr int32_t kIgnored = -100;

struct RowStats {
  double nll = 0, entropy = 0;
  bool correct = false;
};

/** The parameters of one row's loss. */
struct RowLoss {
  int64_t label;
  double weight, smoothing;
  double softcap;  // the soft cap already applied to the logits; 0 = none
};

/**
 * One row of logits, read tile by tile in three passes (maximum, sums, gradient) over memory that stays in
 * the cache.
 */
class Row {
 public:
  Row(const FloatView& logits, int64_t start, int64_t vocab) : logits_(logits), start_(start), vocab_(vocab) {
    for_each_tile([&](int64_t, const float* x, int64_t n) { max_ = std::max(max_, largest(x, n)); });
    double weighted = 0;
    for_each_tile([&](int64_t, const float* x, int64_t n) {
      float shifted[kTile], e[kTile];
      float max = max_;
      for (int64_t j = 0; j < n; j++) shifted[j] = x[j] - max;
      for (int64_t j = 0; j < n; j++) e[j] = fast_exp(shifted[j]);
      sum_ += sum(e, n);
      // A logit of -infinity is masked: its probability and its term of the entropy are 0.
      for (int64_t j = 0; j < n; j++) shifted[j] = shifted[j] < -104.0f ? 0.0f : shifted[j];
      weighted += dot(e, shifted, n);
    });
    entropy_ = std::log(sum_) - weighted / sum_;
  }

  RowStats stats(int64_t label) const {
    float buffer[1];
    float at_label = *logits_.read(start_ + label, 1, buffer);
    bool correct = at_label == max_;
    if (correct) {  // argmax is the first of equal logits
      for_each_tile([&](int64_t i, const float* x, int64_t n) {
        int32_t earlier = 0;
        float max = max_;
        n = std::min(n, label - i);
        for (int64_t j = 0; j < n; j++) earlier += x[j] == max;
        if (earlier > 0) correct = false;
      });
    }
    return {std::log(sum_) - (static_cast<double>(at_label) - max_), entropy_, correct};
  }

  /** Mean over the vocabulary of -log p. */
  double mean_nll() const {
    double total = 0;
    for_each_tile([&](int64_t, const float* x, int64_t n) {
      float shifted[kTile];
      for (int64_t j = 0; j < n; j++) shifted[j] = x[j] - max_;
      total += sum(shifted, n);
    });
    return std::log(sum_) - total / vocab_;
  }

  /** (softmax - (1 - smoothing) * onehot - smoothing / vocab) * weight, and the derivative of the softcap. */
  void gradient(const FloatView& out, const RowLoss& loss) const {
    const int64_t label = loss.label;
    float max = max_, factor = static_cast<float>(loss.weight / sum_), cap = static_cast<float>(loss.softcap);
    float all = static_cast<float>(loss.weight * loss.smoothing / vocab_);
    float at_label = static_cast<float>(loss.weight * (1 - loss.smoothing));
    for_each_tile([&](int64_t i, const float* x, int64_t n) {
      float buffer[kTile], slope[kTile];
      if (cap > 0) {  // y may be x
        for (int64_t j = 0; j < n; j++) slope[j] = 1.0f - (x[j] / cap) * (x[j] / cap);
      }
      float* y = out.place(start_ + i, buffer);
      QLORA_INDEPENDENT
      for (int64_t j = 0; j < n; j++) y[j] = fast_exp(x[j] - max) * factor - all;
      if (label >= i && label < i + n) y[label - i] -= at_label;
      if (cap > 0) {
        for (int64_t j = 0; j < n; j++) y[j] *= slope[j];
      }
      out.write(start_ + i, n, y);
    });
  }

 private:
  template <typename Body>
  void for_each_tile(Body body) const {
    float buffer[kTile];
    for (int64_t i = 0; i < vocab_; i += kTile) {
      int64_t n = std::min(kTile, vocab_ - i);
      body(i, logits_.read(start_ + i, n, buffer), n);
    }
  }

  const FloatView& logits_;
  int64_t start_, vocab_;
  float max_ = -__builtin_inff();
  double sum_ = 0, entropy_ = 0;
};

void zero(const FloatView& out, int64_t start, int64_t n) {
  const float zeros[kTile] = {};
  for (int64_t i = 0; i < n; i += kTile) out.write(start + i, std::min(kTile, n - i), zeros);
}

}  // namespace

void CpuOps::cross_entropy(const Tensor& logits, const Tensor& labels, const OptionalTensor& weights,
                           const Tensor& stats, const OptionalTensor& logps, const OptionalTensor& entropies,
                           const OptionalTensor& dlogits, double grad_scale, double label_smoothing,
                           bool by_probability, double softcap) {
  int64_t rows = logits.rows(), vocab = logits.cols();
  const int32_t* label = labels.data<int32_t>();
  for (int64_t i = 0; i < rows; i++) {
    if (label[i] != kIgnored && (label[i] < 0 || label[i] >= vocab)) {
      fail("[cross_entropy] labels[", i, "] is ", label[i], "; expected -100 or 0 to ", vocab - 1);
    }
  }
  FloatView from(logits), to(dlogits ? *dlogits : logits);
  const float* weight = weights ? weights->data<float>() : nullptr;
  float* logp = logps ? logps->data<float>() : nullptr;
  float* entropy = entropies ? entropies->data<float>() : nullptr;
  std::vector<RowStats> each(rows);
  std::vector<double> losses(rows);
  parallel_for(rows, row_grain(4 * vocab), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      if (label[i] == kIgnored) {
        if (dlogits) zero(to, i * vocab, vocab);
      } else {
        Row row(from, i * vocab, vocab);
        each[i] = row.stats(label[i]);
        const double nll = each[i].nll;
        const double w = (weight ? weight[i] : 1.0) * (by_probability ? std::exp(-nll) : 1.0);
        losses[i] =
            w * (label_smoothing > 0 ? (1 - label_smoothing) * nll + label_smoothing * row.mean_nll() : nll);
        if (dlogits) row.gradient(to, {label[i], w * grad_scale, label_smoothing, softcap});
      }
      if (logp) logp[i] = static_cast<float>(0 - each[i].nll);
      if (entropy) entropy[i] = static_cast<float>(each[i].entropy);
    }
  });
  double total[4] = {};
  for (int64_t i = 0; i < rows; i++) {
    total[0] += losses[i];
    total[1] += label[i] != kIgnored;
    total[2] += each[i].entropy;
    total[3] += each[i].correct;
  }
  float* sums = stats.data<float>();
  for (int j = 0; j < 4; j++) sums[j] = static_cast<float>(sums[j] + total[j]);
}

}  // namespace qlora::QLORA_ISA
