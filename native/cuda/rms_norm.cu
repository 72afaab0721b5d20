#include "cuda/column_sums.cuh"

namespace qlora::cuda {

namespace {

constexpr int kVectors = 4;  // of 8 elements: what a thread keeps of its row
constexpr int64_t kMaxCols = 1024 * 8 * kVectors;

/** Threads that hold a row of `cols` between them. */
unsigned threads_for(const char* op, int64_t cols) {
  if (cols > kMaxCols) fail("[", op, "] x: expected at most ", kMaxCols, " columns, got ", cols);
  return static_cast<unsigned>((cols + 8 * kVectors - 1) / (8 * kVectors) + 31) / 32 * 32;
}

/** Rows whose length is no multiple of 8 start unaligned. */
View by_row(const Tensor& t) {
  View view(t);
  view.aligned = view.aligned && t.cols() % 8 == 0;
  return view;
}

/** body(vector, first column) for each of the thread's vectors that begins inside the row. */
template <typename Body>
__device__ void for_vectors(int64_t cols, Body body) {
#pragma unroll
  for (int v = 0; v < kVectors; v++) {
    const int64_t j = (static_cast<int64_t>(v) * blockDim.x + threadIdx.x) * 8;
    if (j < cols) body(v, j);
  }
}

__global__ void forward_kernel(View x, View weight, View out, float* rstd, int64_t cols, float eps) {
  const int64_t row = blockIdx.x, begin = row * cols;
  float a[kVectors][8];
  for_vectors(cols, [&](int v, int64_t j) { x.load8(begin + j, begin + cols, a[v]); });
  float squares = 0;
  for_vectors(cols, [&](int v, int64_t) {
    for (int e = 0; e < 8; e++) squares = fmaf(a[v][e], a[v][e], squares);
  });
  const float r = 1.0f / sqrtf(block_sum(squares) / static_cast<float>(cols) + eps);
  if (threadIdx.x == 0) rstd[row] = r;
  for_vectors(cols, [&](int v, int64_t j) {
    float w[8];
    weight.load8(j, cols, w);
    for (int e = 0; e < 8; e++) w[e] = rounded(x.dtype, a[v][e] * r) * w[e];
    out.store8(begin + j, begin + cols, w);
  });
}

/** With n = x * rstd and g = dout * weight: dx = rstd * (g - n * mean(g * n)). */
__global__ void backward_kernel(View dout, View x, View weight, const float* rstd, bool has_residual,
                                View residual, View dx, int64_t cols) {
  const int64_t row = blockIdx.x, begin = row * cols, end = begin + cols;
  const float r = rstd[row];
  float a[kVectors][8], g[kVectors][8];
  for_vectors(cols, [&](int v, int64_t j) {
    dout.load8(begin + j, end, g[v]);
    x.load8(begin + j, end, a[v]);
  });
  float sum = 0;
  for_vectors(cols, [&](int v, int64_t j) {
    float w[8];
    weight.load8(j, cols, w);
    for (int e = 0; e < 8; e++) {
      g[v][e] *= w[e];
      sum = fmaf(g[v][e], a[v][e], sum);
    }
  });
  const float mean = block_sum(sum) * r / static_cast<float>(cols);
  for_vectors(cols, [&](int v, int64_t j) {
    float base[8] = {};
    if (has_residual) residual.load8(begin + j, end, base);
    for (int e = 0; e < 8; e++) base[e] += r * (g[v][e] - a[v][e] * r * mean);
    dx.store8(begin + j, end, base);
  });
}

}  // namespace

void CudaOps::rms_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& out, const Tensor& rstd,
                               double eps) {
  if (x.rows() == 0) return;
  forward_kernel<<<static_cast<unsigned>(x.rows()), threads_for("rms_norm_forward", x.cols()), 0,
                   context_.stream>>>(by_row(x), View(weight), by_row(out), rstd.data<float>(), x.cols(),
                                      static_cast<float>(eps));
  check_launch();
}

void CudaOps::rms_norm_backward(const Tensor& dout, const Tensor& x, const Tensor& weight, const Tensor& rstd,
                                const OptionalTensor& residual, const Tensor& dx,
                                const OptionalTensor& dweight) {
  if (x.rows() == 0) return;
  const View grad(dout), from(x);
  const float* scale = rstd.data<float>();
  const int64_t cols = x.cols();
  if (dweight) {  // first: dx may overwrite dout
    column_sums(context_, x.rows(), cols, *dweight, 1.0, [=] __device__(int64_t i, int64_t j) {
      return grad.load(i * cols + j) * (from.load(i * cols + j) * scale[i]);
    });
  }
  backward_kernel<<<static_cast<unsigned>(x.rows()), threads_for("rms_norm_backward", cols), 0,
                    context_.stream>>>(by_row(dout), by_row(x), View(weight), scale, residual.has_value(),
                                       by_row(residual ? *residual : dout), by_row(dx), cols);
  check_launch();
}

}  // namespace qlora::cuda
