#include "cpu/gemm.h"

namespace qlora::QLORA_ISA {

void CpuOps::matmul(const Tensor& a, const Tensor& b, const Tensor& out, bool transpose_a, bool transpose_b,
                    double alpha, double beta, const std::string& operand_dtype) {
  const DType dtype = dtype_from_name(operand_dtype);
  const int64_t k = a.shape[transpose_a ? 0 : 1];
  with_source(a, dtype, [&](const auto& source_a) {
    with_source(b, dtype, [&](const auto& source_b) {
      gemm({source_a, transpose_a, source_b, transpose_b, out.shape[0], out.shape[1], k,
            static_cast<float>(alpha), static_cast<float>(beta), dtype, out});
    });
  });
}

}  // namespace qlora::QLORA_ISA
