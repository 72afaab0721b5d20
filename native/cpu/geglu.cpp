#include "cpu/gated.h"

namespace qlora::QLORA_ISA {

namespace {

/** GELU with tanh: 0.5 * (1 + tanh(u)) = sigmoid(2u), u = sqrt(2 / pi) * (g + 0.044715 * g^3). */
struct Gelu {
  static constexpr float kTwice = 1.5957691216057308f;  // 2 * sqrt(2 / pi)
  static constexpr float kCubic = 0.044715f;

  static float share(float g) { return sigmoid(kTwice * (g + kCubic * g * g * g)); }
  static float slope(float g, float s) {
    return s + g * (s * (1.0f - s)) * (kTwice * (1.0f + 3.0f * kCubic * g * g));
  }
};

}  // namespace

void CpuOps::geglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {
  gated_forward<Gelu>(gate, up, out);
}

void CpuOps::geglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate,
                            const Tensor& dup, const OptionalTensor& out) {
  gated_backward<Gelu>(dout, gate, up, dgate, dup, out);
}

}  // namespace qlora::QLORA_ISA
