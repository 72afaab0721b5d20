#include "cpu/eight_bit.h"
#include "cpu/gemm.h"

namespace qlora::QLORA_ISA {

void CpuOps::matmul_8bit(const Tensor& x, const Tensor& codes, const Tensor& maxima, const Tensor& out,
                         bool transpose, double alpha, double beta, const std::string& operand_dtype) {
  const DType dtype = dtype_from_name(operand_dtype);
  const EightBitSource weight(codes, maxima, dtype);
  with_source(x, dtype, [&](const auto& source) {
    gemm({source, false, weight, transpose, out.shape[0], out.shape[1], x.shape[1], static_cast<float>(alpha),
          static_cast<float>(beta), dtype, out});
  });
}

}  // namespace qlora::QLORA_ISA
