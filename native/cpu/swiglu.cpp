#include "cpu/gated.h"

namespace qlora::QLORA_ISA {

namespace {

struct Silu {
  static float share(float g) { return sigmoid(g); }
  static float slope(float g, float s) { return s * (1.0f + g * (1.0f - s)); }
};

}  // namespace

void CpuOps::swiglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {
  gated_forward<Silu>(gate, up, out);
}

void CpuOps::swiglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate,
                             const Tensor& dup, const OptionalTensor& out) {
  gated_backward<Silu>(dout, gate, up, dgate, dup, out);
}

}  // namespace qlora::QLORA_ISA
