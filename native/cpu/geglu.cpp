#include "cpu/tiles.h"
#include "cpu/vec_math.h"

namespace qlora::QLORA_ISA {

namespace {

/** 2 * sqrt(2 / pi): 0.5 * (1 + tanh(u)) = sigmoid(2u). */
constexpr float kTwice = 1.5957691216057308f, kCubic = 0.044715f;

/** gelu(g) = g * s with s = sigmoid(2 * sqrt(2 / pi) * (g + 0.044715 * g^3)). */
inline float gelu_share(float g) { return sigmoid(kTwice * (g + kCubic * g * g * g)); }

}  // namespace

void CpuOps::geglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {
  FloatView from_gate(gate), from_up(up), to(out);
  for_tiles(gate.numel(), [&](int64_t i, int64_t n) {
    float gate_buffer[kTile], up_buffer[kTile], gelu[kTile];
    const float* g = from_gate.read(i, n, gate_buffer);
    const float* u = from_up.read(i, n, up_buffer);
    for (int64_t j = 0; j < n; j++) gelu[j] = g[j] * gelu_share(g[j]);
    round_to(gate.dtype, gelu, n);
    for (int64_t j = 0; j < n; j++) gelu[j] *= u[j];
    to.write(i, n, gelu);
  });
}

/** d gelu(g) / dg = s + g * s * (1 - s) * 2 * sqrt(2 / pi) * (1 + 3 * 0.044715 * g^2). */
void CpuOps::geglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate,
                            const Tensor& dup, const OptionalTensor& out) {
  FloatView grad(dout), from_gate(gate), from_up(up), to_gate(dgate), to_up(dup), to_out(out ? *out : dout);
  for_tiles(gate.numel(), [&](int64_t i, int64_t n) {
    float grad_buffer[kTile], gate_buffer[kTile], up_buffer[kTile], dgate_tile[kTile], dup_tile[kTile],
        gelu[kTile];
    const float* d = grad.read(i, n, grad_buffer);
    const float* g = from_gate.read(i, n, gate_buffer);
    const float* u = from_up.read(i, n, up_buffer);
    for (int64_t j = 0; j < n; j++) {
      float s = gelu_share(g[j]);
      float slope = s + g[j] * (s * (1.0f - s)) * (kTwice * (1.0f + 3.0f * kCubic * g[j] * g[j]));
      dgate_tile[j] = d[j] * u[j] * slope;
      gelu[j] = g[j] * s;
      dup_tile[j] = d[j] * gelu[j];
    }
    if (out) {
      round_to(gate.dtype, gelu, n);
      for (int64_t j = 0; j < n; j++) gelu[j] *= u[j];
      to_out.write(i, n, gelu);
    }
    to_gate.write(i, n, dgate_tile);
    to_up.write(i, n, dup_tile);
  });
}

}  // namespace qlora::QLORA_ISA
