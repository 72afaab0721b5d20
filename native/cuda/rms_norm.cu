#include "cuda/column_sums.cuh"

namespace qlora::cuda {

namespace {

/** body(i, j, n): elements [i, i + 8) of the row, columns j .., of which those below n exist. Rows whose
 * length is no multiple of 8 start unaligned: theirs are taken one at a time. */
template <typename Body>
__device__ void for_row(int64_t row, int64_t cols, Body body) {
  if (cols % 8 == 0) {
    for (int64_t j = threadIdx.x * 8; j < cols; j += blockDim.x * 8)
      body(row * cols + j, j, row * cols + cols);
  } else {
    for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) body(row * cols + j, j, row * cols + j + 1);
  }
}

__global__ void forward_kernel(View x, View weight, View out, float* rstd, int64_t cols, float eps) {
  const int64_t row = blockIdx.x;
  float squares = 0;
  for_row(row, cols, [&](int64_t i, int64_t, int64_t n) {
    float a[8];
    x.load8(i, n, a);
    for (int e = 0; e < 8; e++) squares = fmaf(a[e], a[e], squares);
  });
  const float r = 1.0f / sqrtf(block_sum(squares) / static_cast<float>(cols) + eps);
  if (threadIdx.x == 0) rstd[row] = r;
  for_row(row, cols, [&](int64_t i, int64_t j, int64_t n) {
    float a[8], w[8];
    x.load8(i, n, a);
    weight.load8(j, j + n - i, w);
    for (int e = 0; e < 8; e++) a[e] = rounded(x.dtype, a[e] * r) * w[e];
    out.store8(i, n, a);
  });
}

/** With n = x * rstd and g = dout * weight: dx = rstd * (g - n * mean(g * n)). */
__global__ void backward_kernel(View dout, View x, View weight, const float* rstd, bool has_residual,
                                View residual, View dx, int64_t cols) {
  const int64_t row = blockIdx.x;
  const float r = rstd[row];
  float sum = 0;
  for_row(row, cols, [&](int64_t i, int64_t j, int64_t n) {
    float d[8], a[8], w[8];
    dout.load8(i, n, d);
    x.load8(i, n, a);
    weight.load8(j, j + n - i, w);
    for (int e = 0; e < 8; e++) sum = fmaf(d[e] * w[e], a[e], sum);
  });
  const float mean = block_sum(sum) * r / static_cast<float>(cols);
  for_row(row, cols, [&](int64_t i, int64_t j, int64_t n) {
    float d[8], a[8], w[8], base[8] = {};
    dout.load8(i, n, d);
    x.load8(i, n, a);
    weight.load8(j, j + n - i, w);
    if (has_residual) residual.load8(i, n, base);
    for (int e = 0; e < 8; e++) base[e] += r * (d[e] * w[e] - a[e] * r * mean);
    dx.store8(i, n, base);
  });
}

}  // namespace

void CudaOps::rms_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& out, const Tensor& rstd,
                               double eps) {
  if (x.rows() == 0) return;
  forward_kernel<<<static_cast<unsigned>(x.rows()), kThreads, 0, context_.stream>>>(
      View(x), View(weight), View(out), rstd.data<float>(), x.cols(), static_cast<float>(eps));
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
  backward_kernel<<<static_cast<unsigned>(x.rows()), kThreads, 0, context_.stream>>>(
      grad, from, View(weight), scale, residual.has_value(), residual ? View(*residual) : grad, View(dx),
      cols);
  check_launch();
}

}  // namespace qlora::cuda
