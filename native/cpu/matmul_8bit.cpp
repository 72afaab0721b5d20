#include "cpu/eight_bit.h"
#include "cpu/gemm.h"

namespace qlora::QLORA_ISA {

void CpuOps::matmul_8bit(const Tensor& x, const Tensor& codes, const Tensor& maxima, const Tensor& out,
                         bool transpose, double alpha, double beta, const std::string& operand_dtype) {
  const DType dtype = dtype_from_name(operand_dtype);
  const EightBitSource weight(codes, maxima, dtype);
  dispatch_float(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const DenseSource<T> source(x.data<T>(), x.shape[1], dtype);
    gemm({source, false, weight, transpose, out.shape[0], out.shape[1], x.shape[1], static_cast<float>(alpha),
          static_cast<float>(beta), dtype, out});
  });
}

}  // namespace qlora::QLORA_ISA
