#include "cuda/four_bit.cuh"
#include "cuda/gemm.h"
#include "cuda/matmul_few_rows.h"
#include "cuda/scratch.h"

namespace qlora::cuda {

/**
 * Except for a few rows of x, the whole weight is dequantized in one pass, near copy speed: a small part of
 * a training product's time.
 */
void CudaOps::matmul_4bit(const Tensor& x, const Tensor& codes, const BlockMaxima& maxima, const Tensor& out,
                          int64_t out_features, int64_t in_features, const std::string& quant_type,
                          int64_t blocksize, bool transpose, double alpha, double beta,
                          const std::string& weight_dtype, const std::string& operand_dtype) {
  if (out.numel() == 0) return;
  const DType rounding = dtype_from_name(weight_dtype), operands = dtype_from_name(operand_dtype);
  const Maxima of_blocks(maxima, blocksize);
  if (transpose && few_rows(context_, {x, codes, out, of_blocks, out_features, in_features, quant_type, alpha,
                                       beta, operands}))
    return;
  context_.joins.products.flush(context_);
  const DType stored = dequantized_dtype(rounding, operands);
  const int64_t n = out_features * in_features;
  const Scratch weight(context_, static_cast<size_t>(n) * size_of(stored));
  dequantize(context_, codes.data<uint8_t>(), of_blocks, View(weight.as<void>(), stored), n, quant_type,
             rounding);
  product(context_, {x.data<char>(), x.dtype, false}, {weight.as<void>(), stored, transpose}, out, x.shape[1],
          alpha, beta, operands);
}

}  // namespace qlora::cuda
