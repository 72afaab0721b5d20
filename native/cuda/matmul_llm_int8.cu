#include "cuda/eight_bit.cuh"
#include "cuda/int8_gemm.h"
#include "cuda/scratch.h"

namespace qlora::cuda {

namespace {

/** flags[j] = 1 where column j has a value of at least threshold. */
void flag_columns(const Context& context, View x, int64_t n, int64_t cols, float threshold, uint8_t* flags) {
  launch_each8(context, n, [=] __device__(int64_t i) {
    float values[8];
    x.load8(i, n, values);
    for (int j = 0; j < 8; j++)
      if (i + j < n && fabsf(rounded(DType::f16, values[j])) >= threshold) flags[(i + j) % cols] = 1;
  });
}

/** The flagged columns in ascending order, and behind them how many they are: columns [cols + 1]. One warp.
 */
__global__ void list_columns(const uint8_t* flags, int64_t cols, int32_t* columns) {
  const int lane = threadIdx.x;
  int32_t count = 0;
  for (int64_t from = 0; from < cols; from += 32) {
    const bool is_outlier = from + lane < cols && flags[from + lane];
    const uint32_t mask = __ballot_sync(~0u, is_outlier);
    if (is_outlier) columns[count + __popc(mask & ((1u << lane) - 1))] = static_cast<int32_t>(from + lane);
    count += __popc(mask);
  }
  if (lane == 0) columns[cols] = count;
}

__global__ void quantize_kernel(View x, int64_t cols, int8_t* codes, float* maxima, float threshold,
                                const uint8_t* flags) {
  quantize_row(x, blockIdx.x, cols, codes, maxima, threshold, flags);
}

/** What a result is made of, for rows from `first` on. */
struct Finish {
  const int32_t* sums;
  View x, bias, out;
  bool has_bias;
  const int8_t* codes;
  const float *row_maxima, *maxima;
  const int32_t* columns;  // null: no outliers
  int64_t first, n, k;
  float beta;

  __device__ void operator()(int64_t at) const {
    const int64_t i = first + at / n, o = at % n;
    float y = static_cast<float>(sums[at]) * (row_maxima[i] * maxima[o]) * kInverse127Squared;
    if (has_bias) y += bias.load(o);
    const int32_t count = columns ? columns[k] : 0;
    if (count > 0) {
      y = rounded(x.dtype, y);
      float sum = 0;
      for (int32_t c = 0; c < count; c++) {
        const int64_t j = columns[c];
        const float weight = static_cast<float>(codes[o * k + j]) * maxima[o] * kInverse127;
        sum += x.load(i * k + j) * rounded(x.dtype, weight);
      }
      y += sum;
    }
    const int64_t to = i * n + o;
    if (beta != 0) y = rounded(x.dtype, y) + beta * out.load(to);
    out.store(to, y);
  }
};

}  // namespace

void CudaOps::matmul_llm_int8(const Tensor& x, const Tensor& codes, const Tensor& maxima,
                              const OptionalTensor& bias, const Tensor& out, double threshold, double beta) {
  const int64_t m = x.shape[0], k = x.shape[1], n = codes.shape[0];
  if (m == 0 || n == 0) return;
  const Int8Scratch needed = int8_scratch(m, n, k);
  const Scratch input(context_, needed.codes), row_maxima(context_, needed.maxima),
      flags(context_, needed.flags), columns(context_, needed.columns), sums(context_, needed.sums);
  const float limit = static_cast<float>(threshold);
  const bool splits = threshold > 0;
  if (splits) {
    check(cudaMemsetAsync(flags.as<uint8_t>(), 0, static_cast<size_t>(k), context_.stream),
          "[matmul_llm_int8]");
    flag_columns(context_, View(x), x.numel(), k, limit, flags.as<uint8_t>());
    list_columns<<<1, 32, 0, context_.stream>>>(flags.as<uint8_t>(), k, columns.as<int32_t>());
    check_launch();
  }
  quantize_kernel<<<static_cast<unsigned>(m), kThreads, 0, context_.stream>>>(
      View(x), k, input.as<int8_t>(), row_maxima.as<float>(), limit, splits ? flags.as<uint8_t>() : nullptr);
  check_launch();
  Finish finish{sums.as<int32_t>(),
                View(x),
                bias ? View(*bias) : View(out),
                View(out),
                bias.has_value(),
                codes.data<int8_t>(),
                row_maxima.as<float>(),
                maxima.data<float>(),
                splits ? columns.as<int32_t>() : nullptr,
                0,
                n,
                k,
                static_cast<float>(beta)};
  for (int64_t first = 0; first < m; first += kInt8Rows) {
    const int64_t rows = std::min(kInt8Rows, m - first);
    int8_product(context_, input.as<int8_t>() + first * k, codes.data<int8_t>(), sums.as<int32_t>(), rows, n,
                 k);
    finish.first = first;
    launch_each(context_, rows * n, finish);
  }
}

}  // namespace qlora::cuda
