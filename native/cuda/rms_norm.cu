#include <type_traits>

#include "cuda/column_sums.cuh"
#include "cuda/joins.h"

namespace qlora::cuda {

namespace {

constexpr int kMostVectors = 4;  // of 8 elements: the part of its row that a thread keeps
constexpr int64_t kMaxCols = 1024 * 8 * kMostVectors;

template <int n>
using Vectors = std::integral_constant<int, n>;

/**
 * launch(vectors, threads) with as few vectors per thread as 512 threads allow: loads in flight hide memory
 * latency, and with many registers per thread fewer threads run at once.
 */
template <typename Launch>
void launch_rows(const char* op, int64_t cols, Launch launch) {
  if (cols > kMaxCols) fail("[", op, "] x: expected at most ", kMaxCols, " columns, got ", cols);
  const auto with = [&](auto vectors) {
    const int64_t each = 8 * vectors.value;
    launch(vectors, static_cast<unsigned>((cols + each - 1) / each + 31) / 32 * 32);
  };
  if (cols <= 512 * 8)
    with(Vectors<1>());
  else if (cols <= 512 * 16)
    with(Vectors<2>());
  else
    with(Vectors<kMostVectors>());
  check_launch();
}

/** body(vector, first column) for each of the thread's vectors that begins inside the row. */
template <int kVectors, typename Body>
__device__ void for_vectors(int64_t cols, Body body) {
#pragma unroll
  for (int v = 0; v < kVectors; v++) {
    const int64_t j = (static_cast<int64_t>(v) * blockDim.x + threadIdx.x) * 8;
    if (j < cols) body(v, j);
  }
}

/** Of x, or first x = a + alpha * b where a sum is given. */
struct Sum {
  View a, b;
  float alpha;
};

template <int kVectors, bool kAdds>
__global__ void forward_kernel(View x, Sum sum, View weight, View out, float* rstd, int64_t cols, float eps,
                               float offset, bool round_first) {
  wait_for_previous();
  const int64_t row = blockIdx.x, begin = row * cols;
  float a[kVectors][8];
  for_vectors<kVectors>(cols, [&](int v, int64_t j) {
    if constexpr (!kAdds) return x.load8(begin + j, begin + cols, a[v]);
    float b[8];
    sum.a.load8(begin + j, begin + cols, a[v]);
    sum.b.load8(begin + j, begin + cols, b);
    for (int e = 0; e < 8; e++) a[v][e] = rounded(x.dtype, a[v][e] + sum.alpha * b[e]);
    x.store8(begin + j, begin + cols, a[v]);
  });
  float squares = 0;
  for_vectors<kVectors>(cols, [&](int v, int64_t) {
    for (int e = 0; e < 8; e++) squares = fmaf(a[v][e], a[v][e], squares);
  });
  const float r = 1.0f / sqrtf(block_sum(squares) / static_cast<float>(cols) + eps);
  if (threadIdx.x == 0) rstd[row] = r;
  for_vectors<kVectors>(cols, [&](int v, int64_t j) {
    float w[8];
    weight.load8(j, cols, w);
    for (int e = 0; e < 8; e++) {
      const float n = a[v][e] * r;
      w[e] = (round_first ? rounded(x.dtype, n) : n) * (w[e] + offset);
    }
    out.store8(begin + j, begin + cols, w);
  });
}

/** With n = x * rstd and g = dout * (weight + offset): dx = rstd * (g - n * mean(g * n)). */
template <int kVectors>
__global__ void backward_kernel(View dout, View x, View weight, const float* rstd, bool has_residual,
                                View residual, View dx, int64_t cols, float offset) {
  const int64_t row = blockIdx.x, begin = row * cols, end = begin + cols;
  const float r = rstd[row];
  float a[kVectors][8], g[kVectors][8], base[kVectors][8] = {};
  for_vectors<kVectors>(cols, [&](int v, int64_t j) {
    dout.load8(begin + j, end, g[v]);
    x.load8(begin + j, end, a[v]);
    if (has_residual) residual.load8(begin + j, end, base[v]);
  });
  float sum = 0;
  for_vectors<kVectors>(cols, [&](int v, int64_t j) {
    float w[8];
    weight.load8(j, cols, w);
    for (int e = 0; e < 8; e++) {
      g[v][e] *= w[e] + offset;
      sum = fmaf(g[v][e], a[v][e], sum);
    }
  });
  const float mean = block_sum(sum) * r / static_cast<float>(cols);
  for_vectors<kVectors>(cols, [&](int v, int64_t j) {
    for (int e = 0; e < 8; e++) base[v][e] += r * (g[v][e] - a[v][e] * r * mean);
    dx.store8(begin + j, end, base[v]);
  });
}

}  // namespace

void CudaOps::rms_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& out, const Tensor& rstd,
                               double eps, double offset, bool round_first) {
  if (x.rows() == 0) return;
  const std::optional<Addition> addition = context_.joins.take_sum(context_, x);
  const View rows = by_row(x);
  const Sum sum = addition
                      ? Sum{by_row(addition->a), by_row(addition->b), static_cast<float>(addition->alpha)}
                      : Sum{rows, rows, 0};
  launch_rows("rms_norm_forward", x.cols(), [&](auto vectors, unsigned threads) {
    const auto kernel = addition ? forward_kernel<vectors.value, true> : forward_kernel<vectors.value, false>;
    launch_overlapping(context_, kernel, static_cast<unsigned>(x.rows()), threads, 0, rows, sum, View(weight),
                       by_row(out), rstd.data<float>(), x.cols(), static_cast<float>(eps),
                       static_cast<float>(offset), round_first);
  });
}

void CudaOps::rms_norm_backward(const Tensor& dout, const Tensor& x, const Tensor& weight, const Tensor& rstd,
                                const OptionalTensor& residual, const Tensor& dx,
                                const OptionalTensor& dweight, double offset) {
  if (x.rows() == 0) return;
  const View grad(dout), from(x);
  const float* scale = rstd.data<float>();
  const int64_t cols = x.cols();
  if (dweight) {  // first: dx may overwrite dout
    column_sums(context_, x.rows(), cols, *dweight, 1.0, [=] __device__(int64_t i, int64_t j) {
      return grad.load(i * cols + j) * (from.load(i * cols + j) * scale[i]);
    });
  }
  launch_rows("rms_norm_backward", cols, [&](auto vectors, unsigned threads) {
    backward_kernel<vectors.value><<<static_cast<unsigned>(x.rows()), threads, 0, context_.stream>>>(
        by_row(dout), by_row(x), View(weight), scale, residual.has_value(),
        by_row(residual ? *residual : dout), by_row(dx), cols, static_cast<float>(offset));
  });
}

}  // namespace qlora::cuda
