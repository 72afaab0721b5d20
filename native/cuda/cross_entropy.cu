#include "cuda/launch.cuh"
#include "cuda/scratch.h"

namespace qlora::cuda {

namespace {

constexpr int32_t kIgnored = -100;
constexpr int kRowThreads = 512;

/** exp of the difference of two maxima; 0 if nothing was seen before. */
__device__ double shrinkage(float before, float after) {
  return before == -INFINITY ? 0.0 : exp(static_cast<double>(before) - after);
}

/** Over the logits seen so far, with e = exp(x - most): sums of e and of e * (x - most). */
struct Running {
  float most = -INFINITY;
  int64_t first = INT64_MAX;  // index of the first `most`
  double sum = 0, weighted = 0;

  __device__ void raise_to(float largest) {
    const double scale = shrinkage(most, largest);
    if (scale > 0) weighted = (weighted + sum * (static_cast<double>(most) - largest)) * scale;
    sum *= scale;
    if (scale == 0) weighted = 0;
    most = largest;
  }

  __device__ void take(const float* x, int64_t begin, int count) {
    float largest = most;
    int at = -1;
#pragma unroll
    for (int e = 0; e < 8; e++)
      if (e < count && x[e] > largest) largest = x[e], at = e;
    if (at >= 0) {
      raise_to(largest);
      first = begin + at;
    }
    const float base = most == -INFINITY ? 0.0f : most;
    float some = 0, some_weighted = 0;
#pragma unroll
    for (int e = 0; e < 8; e++) {
      const float shifted = x[e] - base, y = e < count ? expf(shifted) : 0.0f;
      some += y;
      // a logit of -infinity is masked: its probability is 0
      some_weighted += e >= count || shifted < -104.0f ? 0.0f : y * shifted;
    }
    sum += some;
    weighted += some_weighted;
  }
};

/** Optional inputs and outputs of each row, float32 [rows]; null if not requested. */
struct PerRow {
  const float* weights;
  float *logps, *entropies;
};

struct LossRule {
  double grad_scale, smoothing;
  bool by_probability;
  float softcap;  // the soft cap already applied to the logits; 0 = none
};

/**
 * One block per row: a pass that sums (two with smoothing), then one that writes the gradient. Rows whose
 * length is not a multiple of 8 are not `aligned`.
 */
__global__ void row_kernel(View logits, const int32_t* labels, double* row_stats, PerRow each,
                           bool has_gradient, View dlogits, int64_t vocab, LossRule rule, Fault* fault) {
  const int64_t row = blockIdx.x, first = row * vocab, end = first + vocab;
  const int32_t label = labels[row];
  double* stats = row_stats + 4 * row;
  const auto for_vectors = [&](auto body) {
    for (int64_t j = threadIdx.x * 8; j < vocab; j += kRowThreads * 8) body(j);
  };
  if (label < 0 || label >= vocab) {
    if (threadIdx.x == 0) {
      if (label != kIgnored) raise(fault, FaultKind::label, row, label, vocab);
      for (int j = 0; j < 4; j++) stats[j] = 0;
      if (each.logps) each.logps[row] = 0;
      if (each.entropies) each.entropies[row] = 0;
    }
    const float zeros[8] = {};
    if (has_gradient) for_vectors([&](int64_t j) { dlogits.store8(first + j, end, zeros); });
    return;
  }
  Running own;
  for_vectors([&](int64_t j) {
    float x[8];
    logits.load8(first + j, end, x);
    own.take(x, j, static_cast<int>(min(vocab - j, int64_t{8})));
  });
  const float most = block_max(own.most), at_label = logits.load(first + label);
  const int earlier = block_sum(static_cast<int>(own.most == most && own.first < label));
  own.raise_to(most);
  const double sum = block_sum(own.sum), weighted = block_sum(own.weighted);
  const double nll = log(sum) - (static_cast<double>(at_label) - most);
  double loss = nll;
  if (rule.smoothing > 0) {
    double shifted = 0;
    for_vectors([&](int64_t j) {
      float x[8], some = 0;
      logits.load8(first + j, end, x);
      for (int e = 0; e < min(vocab - j, int64_t{8}); e++) some += x[e] - most;
      shifted += some;
    });
    const double mean_nll = log(sum) - block_sum(shifted) / vocab;
    loss = (1 - rule.smoothing) * nll + rule.smoothing * mean_nll;
  }
  const double weight = (each.weights ? each.weights[row] : 1.0) * (rule.by_probability ? exp(-nll) : 1.0);
  if (threadIdx.x == 0) {
    stats[0] = weight * loss;
    stats[1] = 1;
    stats[2] = log(sum) - weighted / sum;
    stats[3] = at_label == most && earlier == 0;
    if (each.logps) each.logps[row] = static_cast<float>(0 - nll);
    if (each.entropies) each.entropies[row] = static_cast<float>(stats[2]);
  }
  if (!has_gradient) return;
  __syncthreads();  // all threads have read at_label; dlogits may be logits
  const double scale = weight * rule.grad_scale;
  const float factor = static_cast<float>(scale / sum);
  const float elsewhere = static_cast<float>(scale * rule.smoothing / vocab);
  const float here = elsewhere + static_cast<float>(scale * (1 - rule.smoothing));
  for_vectors([&](int64_t j) {
    float x[8];
    logits.load8(first + j, end, x);
#pragma unroll
    for (int e = 0; e < 8; e++) {
      const float share = rule.softcap > 0 ? x[e] / rule.softcap : 0.0f;
      x[e] = expf(x[e] - most) * factor - (j + e == label ? here : elsewhere);
      if (rule.softcap > 0) x[e] *= 1.0f - share * share;
    }
    dlogits.store8(first + j, end, x);
  });
}

__global__ void total_kernel(const double* row_stats, int64_t rows, float* stats) {
  double total[4] = {0, 0, 0, 0};
  for (int64_t i = threadIdx.x; i < rows; i += kThreads)
    for (int j = 0; j < 4; j++) total[j] += row_stats[4 * i + j];
  for (int j = 0; j < 4; j++) {
    const double sum = block_sum(total[j]);
    if (threadIdx.x == 0) stats[j] = static_cast<float>(stats[j] + sum);
  }
}

}  // namespace

void CudaOps::cross_entropy(const Tensor& logits, const Tensor& labels, const OptionalTensor& weights,
                            const Tensor& stats, const OptionalTensor& logps, const OptionalTensor& entropies,
                            const OptionalTensor& dlogits, double grad_scale, double label_smoothing,
                            bool by_probability, double softcap) {
  const int64_t rows = logits.rows();
  if (rows == 0) return;
  const View from = by_row(logits);
  const Scratch scratch(context_, row_sums_bytes(rows));
  const auto floats = [](const OptionalTensor& t) { return t ? t->data<float>() : nullptr; };
  row_kernel<<<static_cast<unsigned>(rows), kRowThreads, 0, context_.stream>>>(
      from, labels.data<int32_t>(), scratch.as<double>(), {floats(weights), floats(logps), floats(entropies)},
      dlogits.has_value(), dlogits ? by_row(*dlogits) : from, logits.cols(),
      {grad_scale, label_smoothing, by_probability, static_cast<float>(softcap)}, context_.fault);
  check_launch();
  total_kernel<<<1, kThreads, 0, context_.stream>>>(scratch.as<double>(), rows, stats.data<float>());
  check_launch();
}

}  // namespace qlora::cuda
