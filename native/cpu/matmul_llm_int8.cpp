#include <vector>

#include "cpu/eight_bit.h"

namespace qlora::QLORA_ISA {

namespace {

/** x [m, k] as LLM.int8 takes it: codes with a maximum a row, and the columns with outliers, ascending. */
struct QuantizedInput {
  std::vector<int8_t> codes;
  std::vector<float> maxima;
  std::vector<int64_t> outlier_columns;
};

QuantizedInput quantized(const FloatView& x, int64_t m, int64_t k, float threshold) {
  std::vector<float> half(m * k);
  parallel_for(m, row_grain(k), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      float* row = half.data() + i * k;
      const float* values = x.read(i * k, k, row);
      if (values != row) std::copy(values, values + k, row);
      round_to(DType::f16, row, k);
    }
  });
  std::vector<uint8_t> is_outlier(k, 0);
  if (threshold > 0) {
    parallel_for(k, row_grain(m), [&](int64_t begin, int64_t end) {
      for (int64_t i = 0; i < m; i++)
        for (int64_t j = begin; j < end; j++) is_outlier[j] |= std::fabs(half[i * k + j]) >= threshold;
    });
  }
  QuantizedInput input{std::vector<int8_t>(m * k), std::vector<float>(m), {}};
  for (int64_t j = 0; j < k; j++)
    if (is_outlier[j]) input.outlier_columns.push_back(j);
  parallel_for(m, row_grain(k), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const float* row = half.data() + i * k;
      float largest = 0;  // also over an outlier column's values that are none themselves
      for (int64_t j = 0; j < k; j++) {
        const float magnitude = std::fabs(row[j]);
        if (!(threshold > 0 && magnitude >= threshold)) largest = std::max(largest, magnitude);
      }
      input.maxima[i] = largest;
      const float scale = 1.0f / largest * 127.0f;
      for (int64_t j = 0; j < k; j++)
        input.codes[i * k + j] = is_outlier[j] ? int8_t{0} : code_of(row[j], scale);
    }
  });
  return input;
}

int32_t dot(const int8_t* a, const int8_t* b, int64_t n) {
  int32_t sum = 0;
  for (int64_t i = 0; i < n; i++) sum += static_cast<int32_t>(a[i]) * b[i];
  return sum;
}

}  // namespace

void CpuOps::matmul_llm_int8(const Tensor& x, const Tensor& codes, const Tensor& maxima,
                             const OptionalTensor& bias, const Tensor& out, double threshold, double beta) {
  const int64_t m = x.shape[0], k = x.shape[1], n = codes.shape[0];
  if (m == 0 || n == 0) return;
  const FloatView from(x), to(out);
  const QuantizedInput input = quantized(from, m, k, static_cast<float>(threshold));
  const int8_t* weight = codes.data<int8_t>();
  const float* scales = maxima.data<float>();
  const std::vector<int64_t>& outliers = input.outlier_columns;
  const int64_t count = static_cast<int64_t>(outliers.size());
  // The outlier columns of x, in its own dtype, and bias.
  std::vector<float> sub(m * count), row(k), offsets(n, 0.0f);
  for (int64_t i = 0; i < m && count > 0; i++) {
    const float* values = from.read(i * k, k, row.data());
    for (int64_t c = 0; c < count; c++) sub[i * count + c] = values[outliers[c]];
  }
  if (bias) {
    const float* values = FloatView(*bias).read(0, n, offsets.data());
    if (values != offsets.data()) offsets.assign(values, values + n);
  }
  // Columns of the result: each thread has rows of the weight, which stay in its cache.
  std::vector<float> y(m * n);
  parallel_for(n, std::max<int64_t>(1, 16 * kTile / std::max<int64_t>(m * k, 1)),
               [&](int64_t begin, int64_t end) {
                 std::vector<float> weights(count);
                 for (int64_t o = begin; o < end; o++) {
                   const int8_t* w = weight + o * k;
                   for (int64_t c = 0; c < count; c++)
                     weights[c] = static_cast<float>(w[outliers[c]]) * scales[o] * kInverse127;
                   round_to(x.dtype, weights.data(), count);
                   for (int64_t i = 0; i < m; i++) {
                     float value = static_cast<float>(dot(input.codes.data() + i * k, w, k)) *
                                       (input.maxima[i] * scales[o]) * kInverse127Squared +
                                   offsets[o];
                     if (count > 0) {
                       round_to(x.dtype, &value, 1);
                       float sum = 0;
                       for (int64_t c = 0; c < count; c++) sum += sub[i * count + c] * weights[c];
                       value += sum;
                     }
                     y[i * n + o] = value;
                   }
                 }
               });
  const float factor = static_cast<float>(beta);
  for_tiles(m * n, [&](int64_t i, int64_t size) {
    float old[kTile];
    if (factor != 0) {
      round_to(x.dtype, y.data() + i, size);
      const float* before = to.read(i, size, old);
      for (int64_t j = 0; j < size; j++) y[i + j] += factor * before[j];
    }
    to.write(i, size, y.data() + i);
  });
}

}  // namespace qlora::QLORA_ISA
