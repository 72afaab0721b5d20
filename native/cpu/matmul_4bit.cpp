#include "cpu/gemm.h"

namespace qlora::QLORA_ISA {

void CpuOps::matmul_4bit(const Tensor& x, const Tensor& codes, const BlockMaxima& maxima, const Tensor& out,
                         int64_t out_features, int64_t in_features, const std::string& quant_type,
                         int64_t blocksize, bool transpose, double alpha, double beta,
                         const std::string& weight_dtype, const std::string& operand_dtype) {
  const DType dtype = dtype_from_name(operand_dtype);
  const Maxima of_blocks(maxima);
  const FourBitSource weight({codes.data<uint8_t>(), of_blocks, code_values(quant_type), blocksize,
                              dtype_from_name(weight_dtype), dtype},
                             in_features);
  with_source(x, dtype, [&](const auto& source) {
    gemm({source, false, weight, transpose, out.shape[0], out.shape[1], x.shape[1], static_cast<float>(alpha),
          static_cast<float>(beta), dtype, out});
  });
}

}  // namespace qlora::QLORA_ISA
