#include "cuda/gated.cuh"

namespace qlora::cuda {

struct Silu {
  static __device__ float share(float g) { return 1.0f / (1.0f + expf(-g)); }
  static __device__ float slope(float g, float s) { return s * (1.0f + g * (1.0f - s)); }
};

void CudaOps::swiglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {
  gated_forward<Silu>(context_, gate, up, out);
}

void CudaOps::swiglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate,
                              const Tensor& dup, const OptionalTensor& out) {
  gated_backward<Silu>(context_, dout, gate, up, dgate, dup, out);
}

}  // namespace qlora::cuda
