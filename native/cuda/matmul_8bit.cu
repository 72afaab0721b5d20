#include "cuda/eight_bit.cuh"
#include "cuda/gemm.h"

namespace qlora::cuda {

/** The whole weight is dequantized in one pass, as in matmul_4bit. */
void CudaOps::matmul_8bit(const Tensor& x, const Tensor& codes, const Tensor& maxima, const Tensor& out,
                          bool transpose, double alpha, double beta, const std::string& operand_dtype) {
  if (out.numel() == 0) return;
  const DType operands = dtype_from_name(operand_dtype);
  const Scratch weight(context_, static_cast<size_t>(codes.numel()) * size_of(operands));
  dequantize(context_, codes, maxima, View(weight.as<void>(), operands));
  product(context_, {x.data<char>(), x.dtype, false}, {weight.as<void>(), operands, transpose}, out,
          x.shape[1], alpha, beta, operands);
}

}  // namespace qlora::cuda
