#include "cuda/gated.cuh"

namespace qlora::cuda {

/** GELU with tanh: 0.5 * (1 + tanh(u)) = sigmoid(2u), u = sqrt(2 / pi) * (g + 0.044715 * g^3). */
struct Gelu {
  static constexpr float kTwice = 1.5957691216057308f;  // 2 * sqrt(2 / pi)
  static constexpr float kCubic = 0.044715f;

  static __device__ float share(float g) { return 1.0f / (1.0f + expf(-kTwice * (g + kCubic * g * g * g))); }
  static __device__ float slope(float g, float s) {
    return s + g * (s * (1.0f - s)) * (kTwice * (1.0f + 3.0f * kCubic * g * g));
  }
};

void CudaOps::geglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {
  gated_forward<Gelu>(context_, gate, up, out);
}

void CudaOps::geglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate,
                             const Tensor& dup, const OptionalTensor& out) {
  gated_backward<Gelu>(context_, dout, gate, up, dgate, dup, out);
}

}  // namespace qlora::cuda
