#include "core/check/checks.h"
#include "core/check/four_bit.h"

namespace qlora {

namespace {

void require_dtype_name(const char* op, const char* what, const std::string& name) {
  require_one_of(op, what, name, {"float32", "bfloat16", "float16"});
}

}  // namespace

void Checks::matmul(const Tensor& a, const Tensor& b, const Tensor& out, bool transpose_a, bool transpose_b,
                    double alpha, double beta, const std::string& operand_dtype) {
  require_matrix("matmul", "a", a);
  require_matrix("matmul", "b", b);
  require_matrix("matmul", "out", out);
  const int64_t m = a.shape[transpose_a ? 1 : 0], k = a.shape[transpose_a ? 0 : 1];
  const int64_t n = b.shape[transpose_b ? 0 : 1];
  if (b.shape[transpose_b ? 1 : 0] != k)
    fail("[matmul] a ", to_string(a.shape), transpose_a ? " transposed" : "", " and b ", to_string(b.shape),
         transpose_b ? " transposed" : "", " do not fit: ", k, " columns against ",
         b.shape[transpose_b ? 1 : 0], " rows");
  require_shape("matmul", "out", out, {m, n});
  require_dtype_name("matmul", "operand_dtype", operand_dtype);
  require_apart("matmul", "a", a, out);
  require_apart("matmul", "b", b, out);
}

void Checks::matmul_4bit(const Tensor& x, const Tensor& codes, const BlockMaxima& maxima, const Tensor& out,
                         int64_t out_features, int64_t in_features, const std::string& quant_type,
                         int64_t blocksize, bool transpose, double alpha, double beta,
                         const std::string& weight_dtype, const std::string& operand_dtype) {
  require_matrix("matmul_4bit", "x", x);
  require_matrix("matmul_4bit", "out", out);
  if (out_features < 0 || in_features < 0)
    fail("[matmul_4bit] weight: expected a shape, got (", out_features, ", ", in_features, ")");
  const int64_t n = out_features * in_features;
  require_four_bit("matmul_4bit", codes, n, quant_type, blocksize);
  require_any_maxima("matmul_4bit", maxima, n, blocksize);
  require_shape("matmul_4bit", "x", x, {x.shape[0], transpose ? in_features : out_features});
  require_shape("matmul_4bit", "out", out, {x.shape[0], transpose ? out_features : in_features});
  require_dtype_name("matmul_4bit", "weight_dtype", weight_dtype);
  require_dtype_name("matmul_4bit", "operand_dtype", operand_dtype);
  require_apart("matmul_4bit", "x", x, out);
}

}  // namespace qlora
