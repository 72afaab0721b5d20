#include <cmath>

#include "cpu/reduce.h"

namespace qlora::QLORA_ISA {

namespace {

/** weight + offset, in `buffer` unless the weight can be used directly. */
const float* factors(const Tensor& weight, double offset, std::vector<float>& buffer) {
  const auto n = static_cast<int64_t>(buffer.size());
  const float* w = FloatView(weight).read(0, n, buffer.data());
  if (offset == 0) return w;
  for (int64_t j = 0; j < n; j++) buffer[j] = w[j] + static_cast<float>(offset);
  return buffer.data();
}

}  // namespace

void CpuOps::rms_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& out, const Tensor& rstd,
                              double eps, double offset, bool round_first) {
  FloatView from(x), to(out);
  int64_t cols = x.cols();
  std::vector<float> weight_buffer(cols);
  const float* w = factors(weight, offset, weight_buffer);
  float* scale = rstd.data<float>();
  parallel_for(x.rows(), row_grain(cols), [&](int64_t begin, int64_t end) {
    std::vector<float> in_buffer(cols), out_buffer(cols);
    for (int64_t i = begin; i < end; i++) {
      const float* a = from.read(i * cols, cols, in_buffer.data());
      float r = static_cast<float>(1.0 / std::sqrt(sum_squares(a, cols) / static_cast<double>(cols) + eps));
      scale[i] = r;
      float* y = to.place(i * cols, out_buffer.data());
      QLORA_INDEPENDENT
      for (int64_t j = 0; j < cols; j++) y[j] = a[j] * r;
      if (round_first) round_to(x.dtype, y, cols);
      QLORA_INDEPENDENT
      for (int64_t j = 0; j < cols; j++) y[j] *= w[j];
      to.write(i * cols, cols, y);
    }
  });
}

/** With n = x * rstd and g = dout * (weight + offset): dx = rstd * (g - n * mean(g * n)), dweight = sum over
 * rows of dout * n. */
void CpuOps::rms_norm_backward(const Tensor& dout, const Tensor& x, const Tensor& weight, const Tensor& rstd,
                               const OptionalTensor& residual, const Tensor& dx,
                               const OptionalTensor& dweight, double offset) {
  FloatView grad(dout), from(x), to(dx);
  FloatView added(residual ? *residual : dout);
  int64_t rows = x.rows(), cols = x.cols();
  std::vector<float> weight_buffer(cols);
  const float* w = factors(weight, offset, weight_buffer);
  const float* scale = rstd.data<float>();

  if (dweight) {  // first: dx may overwrite dout
    auto sums = column_sums(rows, cols, [&](int64_t i, float* sum, float* scratch) {
      const float* d = grad.read(i * cols, cols, scratch);
      const float* a = from.read(i * cols, cols, scratch + cols);
      float r = scale[i];
      QLORA_INDEPENDENT
      for (int64_t j = 0; j < cols; j++) sum[j] += d[j] * (a[j] * r);
    });
    store_sums(sums, *dweight, 1.0);
  }

  parallel_for(rows, row_grain(cols), [&](int64_t begin, int64_t end) {
    std::vector<float> grad_buffer(cols), in_buffer(cols), added_buffer(cols), out_buffer(cols);
    for (int64_t i = begin; i < end; i++) {
      const float* d = grad.read(i * cols, cols, grad_buffer.data());
      const float* a = from.read(i * cols, cols, in_buffer.data());
      float r = scale[i];
      float mean = sum_terms<float>(cols, [=](int64_t j) { return d[j] * w[j] * a[j]; }) * r /
                   static_cast<float>(cols);
      float* y = to.place(i * cols, out_buffer.data());
      if (residual) {
        const float* base = added.read(i * cols, cols, added_buffer.data());
        QLORA_INDEPENDENT
        for (int64_t j = 0; j < cols; j++) y[j] = base[j] + r * (d[j] * w[j] - a[j] * r * mean);
      } else {
        QLORA_INDEPENDENT
        for (int64_t j = 0; j < cols; j++) y[j] = r * (d[j] * w[j] - a[j] * r * mean);
      }
      to.write(i * cols, cols, y);
    }
  });
}

}  // namespace qlora::QLORA_ISA
