#include "core/check/checks.h"
#include "core/check/require.h"

namespace qlora {

namespace {

/** Codes [rows, cols] with a maximum for each row. */
void require_eight_bit(const char* op, const Tensor& codes, const Tensor& maxima) {
  require_dtype(op, "codes", codes, DType::i8);
  require_rank(op, "codes", codes, 2);
  require_dtype(op, "maxima", maxima, DType::f32);
  require_shape(op, "maxima", maxima, {codes.shape[0]});
}

}  // namespace

void Checks::quantize_8bit(const Tensor& x, const Tensor& codes, const Tensor& maxima) {
  require_matrix("quantize_8bit", "x", x);
  require_eight_bit("quantize_8bit", codes, maxima);
  require_shape("quantize_8bit", "codes", codes, x.shape);
}

void Checks::dequantize_8bit(const Tensor& codes, const Tensor& maxima, const Tensor& out) {
  require_eight_bit("dequantize_8bit", codes, maxima);
  require_float("dequantize_8bit", "out", out);
  require_shape("dequantize_8bit", "out", out, codes.shape);
}

void Checks::matmul_8bit(const Tensor& x, const Tensor& codes, const Tensor& maxima, const Tensor& out,
                         bool transpose, double alpha, double beta, const std::string& operand_dtype) {
  require_matrix("matmul_8bit", "x", x);
  require_matrix("matmul_8bit", "out", out);
  require_eight_bit("matmul_8bit", codes, maxima);
  require_shape("matmul_8bit", "x", x, {x.shape[0], codes.shape[transpose ? 1 : 0]});
  require_shape("matmul_8bit", "out", out, {x.shape[0], codes.shape[transpose ? 0 : 1]});
  require_one_of("matmul_8bit", "operand_dtype", operand_dtype, {"float32", "bfloat16", "float16"});
  require_apart("matmul_8bit", "x", x, out);
}

void Checks::matmul_llm_int8(const Tensor& x, const Tensor& codes, const Tensor& maxima,
                             const OptionalTensor& bias, const Tensor& out, double threshold, double beta) {
  require_matrix("matmul_llm_int8", "x", x);
  require_matrix("matmul_llm_int8", "out", out);
  require_eight_bit("matmul_llm_int8", codes, maxima);
  require_shape("matmul_llm_int8", "x", x, {x.shape[0], codes.shape[1]});
  require_shape("matmul_llm_int8", "out", out, {x.shape[0], codes.shape[0]});
  require_dtype("matmul_llm_int8", "out", out, x.dtype);
  if (bias) {
    require_float("matmul_llm_int8", "bias", *bias);
    require_shape("matmul_llm_int8", "bias", *bias, {codes.shape[0]});
  }
  if (!(threshold >= 0)) fail("[matmul_llm_int8] threshold: expected 0 or more, got ", threshold);
  require_apart("matmul_llm_int8", "x", x, out);
}

}  // namespace qlora
