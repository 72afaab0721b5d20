#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

/** 2 * sqrt(2 / pi): 0.5 * (1 + tanh(u)) = sigmoid(2u). */
constexpr float kTwice = 1.5957691216057308f, kCubic = 0.044715f;

/** gelu(g) = g * s with s = sigmoid(2 * sqrt(2 / pi) * (g + 0.044715 * g^3)). */
__device__ float gelu_share(float g) { return 1.0f / (1.0f + expf(-kTwice * (g + kCubic * g * g * g))); }

}  // namespace

void CudaOps::geglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {
  const View from_gate(gate), from_up(up), to(out);
  const int64_t n = gate.numel();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    float g[8], u[8];
    from_gate.load8(i, n, g);
    from_up.load8(i, n, u);
    for (int j = 0; j < 8; j++) u[j] *= rounded(from_gate.dtype, g[j] * gelu_share(g[j]));
    to.store8(i, n, u);
  });
}

/** d gelu(g) / dg = s + g * s * (1 - s) * 2 * sqrt(2 / pi) * (1 + 3 * 0.044715 * g^2). */
void CudaOps::geglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate,
                             const Tensor& dup, const OptionalTensor& out) {
  const View grad(dout), from_gate(gate), from_up(up), to_gate(dgate), to_up(dup), to_out(out ? *out : dout);
  const bool has_out = out.has_value();
  const int64_t n = gate.numel();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    float d[8], g[8], u[8], h[8];
    grad.load8(i, n, d);
    from_gate.load8(i, n, g);
    from_up.load8(i, n, u);
    for (int j = 0; j < 8; j++) {
      const float s = gelu_share(g[j]);
      const float slope = s + g[j] * (s * (1.0f - s)) * (kTwice * (1.0f + 3.0f * kCubic * g[j] * g[j]));
      const float dg = d[j] * u[j] * slope;
      h[j] = rounded(from_gate.dtype, g[j] * s) * u[j];
      u[j] = d[j] * (g[j] * s);
      g[j] = dg;
    }
    to_gate.store8(i, n, g);
    to_up.store8(i, n, u);
    if (has_out) to_out.store8(i, n, h);
  });
}

}  // namespace qlora::cuda
