#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

constexpr int32_t kIgnored = -100;
constexpr int kRowThreads = 512;

/** One block a row: largest, then sums, then the gradient; the later passes find the row in the L2 cache. */
__global__ void row_kernel(View logits, const int32_t* labels, double* row_stats, bool has_gradient,
                           View dlogits, int64_t vocab, double grad_scale, Fault* fault) {
  const int64_t row = blockIdx.x, first = row * vocab;
  const int32_t label = labels[row];
  double* stats = row_stats + 4 * row;
  const bool known = label >= 0 && label < vocab;
  if (!known) {
    if (threadIdx.x == 0) {
      if (label != kIgnored) raise(fault, FaultKind::label, row, label, vocab);
      for (int j = 0; j < 4; j++) stats[j] = 0;
    }
    if (has_gradient)
      for (int64_t j = threadIdx.x; j < vocab; j += kRowThreads) dlogits.store(first + j, 0.0f);
    return;
  }
  float most = -INFINITY;
  for (int64_t j = threadIdx.x; j < vocab; j += kRowThreads) most = fmaxf(most, logits.load(first + j));
  most = block_max(most);
  const float at_label = logits.load(first + label);
  double sum = 0, weighted = 0;
  int earlier = 0;
  for (int64_t j = threadIdx.x; j < vocab; j += kRowThreads) {
    const float x = logits.load(first + j), shifted = x - most, e = expf(shifted);
    sum += e;
    weighted += shifted < -104.0f ? 0.0f : e * shifted;  // -infinity is a masked logit: its probability is 0
    earlier += x == most && j < label;
  }
  sum = block_sum(sum);
  weighted = block_sum(weighted);
  earlier = block_sum(earlier);
  if (threadIdx.x == 0) {
    stats[0] = log(sum) - (static_cast<double>(at_label) - most);
    stats[1] = 1;
    stats[2] = log(sum) - weighted / sum;
    stats[3] = at_label == most && earlier == 0;
  }
  if (!has_gradient) return;
  __syncthreads();  // at_label has been read by all: dlogits may be logits
  const float factor = static_cast<float>(grad_scale / sum), one = static_cast<float>(grad_scale);
  for (int64_t j = threadIdx.x; j < vocab; j += kRowThreads)
    dlogits.store(first + j, expf(logits.load(first + j) - most) * factor - (j == label ? one : 0.0f));
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

void CudaOps::cross_entropy(const Tensor& logits, const Tensor& labels, const Tensor& stats,
                            const OptionalTensor& dlogits, double grad_scale) {
  const int64_t rows = logits.rows();
  if (rows == 0) return;
  const View from(logits);
  const Scratch scratch(context_, static_cast<size_t>(rows) * 4 * sizeof(double));
  row_kernel<<<static_cast<unsigned>(rows), kRowThreads, 0, context_.stream>>>(
      from, labels.data<int32_t>(), scratch.as<double>(), dlogits.has_value(),
      dlogits ? View(*dlogits) : from, logits.cols(), grad_scale, context_.fault);
  check_launch();
  total_kernel<<<1, kThreads, 0, context_.stream>>>(scratch.as<double>(), rows, stats.data<float>());
  check_launch();
}

}  // namespace qlora::cuda
