#include "cpu/gemm.h"

#include "cpu/gemm_few_rows.h"
#include "cpu/gemm_panels.h"
#include "cpu/isa.h"

namespace qlora::QLORA_ISA {

namespace {

/** B^T A^T instead of A B, into the transposed output. */
Product swapped(const Product& p) {
  return {p.b, !p.transpose_b, p.a,    !p.transpose_a,  p.n,   p.m,
          p.k, p.alpha,        p.beta, p.operand_dtype, p.out, !p.transpose_out};
}

void scale_output(const Product& p) {
  const Output out(p);
  float* row = scratch(Slot::c, p.n);
  for (int64_t i = 0; i < p.m; i++) {
    std::fill(row, row + p.n, 0.0f);
    out.finish(i, 0, 1, p.n, row, p.n);
  }
}

}  // namespace

void gemm(const Product& p) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) return scale_output(p);
  // The gradient of a LoRA matrix sums over tokens, with the rank on the right: swap the operands so that
  // the long side runs along the vector registers.
  if (p.transpose_a && p.n <= 64 && p.m > p.n) return gemm(swapped(p));
  if (!p.transpose_a && p.transpose_b && p.m <= FewRowsProduct::kMostRows) return FewRowsProduct(p).run();
#if defined(__AVX512F__)
  if (p.operand_dtype == DType::bf16 && has_bf16_dot()) {
    static const TileKernels kernels = TileKernels::bf16();
    return PanelProduct<bf16_t>(p, kernels).run();
  }
#endif
  static const TileKernels kernels = TileKernels::f32();
  PanelProduct<float>(p, kernels).run();
}

}  // namespace qlora::QLORA_ISA
