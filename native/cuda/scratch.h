#pragma once
#include "core/scratch.h"
#include "cuda/cudnn_form.h"

// Scratch memory of the CUDA operations; used by the kernels and, without a GPU, by the memory planner.
namespace qlora::cuda {

/** Bytes of a slab that page-locked memory of `bytes` bytes occupies. */
inline size_t pinned_bytes(size_t bytes) { return (bytes + 511) / 512 * 512; }

/** How a product is computed, and its memory: copies of operands in its dtype, and a float32 sum. */
struct ProductScratch {
  DType dtype;
  size_t a, b, sum;
};

/**
 * For a matrix of a_numel elements times one of b_numel. The tensor cores need both operands in one dtype,
 * with no other rounding than the requested one, and cuBLASLt has no 16-bit outputs of another dtype.
 */
inline ProductScratch product_scratch(DType a, int64_t a_numel, DType b, int64_t b_numel, const Tensor& out,
                                      DType operand_dtype) {
  const DType dtype = operand_dtype != DType::f32 ? operand_dtype : a == b ? a : DType::f32;
  const auto copy = [dtype](DType from, int64_t n) {
    return from == dtype ? 0 : static_cast<size_t>(n) * size_of(dtype);
  };
  const bool direct = out.dtype == DType::f32 || out.dtype == dtype;
  return {dtype, copy(a, a_numel), copy(b, b_numel),
          direct ? 0 : static_cast<size_t>(out.numel()) * sizeof(float)};
}

/** The dtype in which matmul_4bit dequantizes its weight. */
inline DType dequantized_dtype(DType weight_dtype, DType operand_dtype) {
  return operand_dtype == DType::f32 ? weight_dtype : operand_dtype;
}

/** Rows of x whose sums in int32 matmul_llm_int8 holds at a time: a multiple of 4 for the tensor cores. */
constexpr int64_t kInt8Rows = 1024;

/** Of matmul_llm_int8: the codes of x with their maxima, the flags of outlier columns and their list, and
 * sums of some rows. */
struct Int8Scratch {
  size_t codes, maxima, flags, columns, sums;
};

inline Int8Scratch int8_scratch(int64_t m, int64_t n, int64_t k) {
  const auto bytes = [](int64_t count, size_t size) { return static_cast<size_t>(count) * size; };
  const int64_t rows = m < kInt8Rows ? m : kInt8Rows;
  return {bytes(m * k, 1), bytes(m, sizeof(float)), bytes(k, 1), bytes(k + 1, sizeof(int32_t)),
          bytes(rows * n, sizeof(int32_t))};
}

/** cross_entropy: four sums per row. */
inline size_t row_sums_bytes(int64_t rows) { return static_cast<size_t>(rows) * 4 * sizeof(double); }

/** For a GPU of compute capability 9.0 with cuDNN. */
class CudaScratch final : public ScratchBytes {
 public:
  int64_t matmul(const Tensor& a, const Tensor& b, const Tensor& out, bool transpose_a, bool transpose_b,
                 double alpha, double beta, const std::string& operand_dtype) const override {
    return total(
        product_scratch(a.dtype, a.numel(), b.dtype, b.numel(), out, dtype_from_name(operand_dtype)));
  }

  /** A few rows need less memory: no dequantized weight. */
  int64_t matmul_4bit(const Tensor& x, const Tensor& codes, const BlockMaxima& maxima, const Tensor& out,
                      int64_t out_features, int64_t in_features, const std::string& quant_type,
                      int64_t blocksize, bool transpose, double alpha, double beta,
                      const std::string& weight_dtype, const std::string& operand_dtype) const override {
    const DType operands = dtype_from_name(operand_dtype);
    const DType stored = dequantized_dtype(dtype_from_name(weight_dtype), operands);
    const int64_t n = out_features * in_features;
    return n * static_cast<int64_t>(size_of(stored)) +
           total(product_scratch(x.dtype, x.numel(), stored, n, out, operands));
  }

  int64_t matmul_8bit(const Tensor& x, const Tensor& codes, const Tensor& maxima, const Tensor& out,
                      bool transpose, double alpha, double beta,
                      const std::string& operand_dtype) const override {
    const DType operands = dtype_from_name(operand_dtype);
    return codes.numel() * static_cast<int64_t>(size_of(operands)) +
           total(product_scratch(x.dtype, x.numel(), operands, codes.numel(), out, operands));
  }

  int64_t matmul_llm_int8(const Tensor& x, const Tensor& codes, const Tensor& maxima,
                          const OptionalTensor& bias, const Tensor& out, double threshold,
                          double beta) const override {
    const Int8Scratch s = int8_scratch(x.shape[0], codes.shape[0], codes.shape[1]);
    return static_cast<int64_t>(s.codes + s.maxima + s.flags + s.columns + s.sums);
  }

  int64_t cross_entropy(const Tensor& logits, const Tensor& labels, const OptionalTensor& weights,
                        const Tensor& stats, const OptionalTensor& logps, const OptionalTensor& entropies,
                        const OptionalTensor& dlogits, double grad_scale, double label_smoothing,
                        bool by_probability, double softcap) const override {
    return static_cast<int64_t>(row_sums_bytes(logits.rows()));
  }

  /** For sequences with different lengths, without the few bytes of their positions. */
  int64_t attention_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v,
                             const Tensor& out, const Tensor& lse, const Tensor& cu, const Tensor& dq,
                             const Tensor& dk, const Tensor& dv, int64_t heads, int64_t kv_heads,
                             double scale, int64_t window, double softcap, int64_t max_length,
                             bool deterministic) const override {
    const AttentionCall call{q,   k,     v,        cu,    out,    lse,     &dout,      &dq,          &dk,
                             &dv, heads, kv_heads, scale, window, softcap, max_length, deterministic};
    const std::optional<AttentionForm> form = form_of(call);
    return form ? expected_workspace(*form) + stats_bytes(call, *form) : call.row_bytes();
  }

 private:
  static int64_t total(const ProductScratch& s) { return static_cast<int64_t>(s.a + s.b + s.sum); }
};

}  // namespace qlora::cuda
