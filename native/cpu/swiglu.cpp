#include "cpu/tiles.h"
#include "cpu/vec_math.h"

namespace qlora::QLORA_ISA {

void CpuOps::swiglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {
  FloatView from_gate(gate), from_up(up), to(out);
  for_tiles(gate.numel(), [&](int64_t i, int64_t n) {
    float gate_buffer[kTile], up_buffer[kTile], silu[kTile];
    const float* g = from_gate.read(i, n, gate_buffer);
    const float* u = from_up.read(i, n, up_buffer);
    for (int64_t j = 0; j < n; j++) silu[j] = g[j] * sigmoid(g[j]);
    round_to(gate.dtype, silu, n);
    for (int64_t j = 0; j < n; j++) silu[j] *= u[j];
    to.write(i, n, silu);
  });
}

/** d silu(g) / dg = s * (1 + g * (1 - s)), s = sigmoid(g). */
void CpuOps::swiglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate,
                             const Tensor& dup, const OptionalTensor& out) {
  FloatView grad(dout), from_gate(gate), from_up(up), to_gate(dgate), to_up(dup), to_out(out ? *out : dout);
  for_tiles(gate.numel(), [&](int64_t i, int64_t n) {
    float grad_buffer[kTile], gate_buffer[kTile], up_buffer[kTile], dgate_tile[kTile], dup_tile[kTile],
        silu[kTile];
    const float* d = grad.read(i, n, grad_buffer);
    const float* g = from_gate.read(i, n, gate_buffer);
    const float* u = from_up.read(i, n, up_buffer);
    for (int64_t j = 0; j < n; j++) {
      float s = sigmoid(g[j]);
      dgate_tile[j] = d[j] * u[j] * (s * (1.0f + g[j] * (1.0f - s)));
      silu[j] = g[j] * s;
      dup_tile[j] = d[j] * silu[j];
    }
    if (out) {
      round_to(gate.dtype, silu, n);
      for (int64_t j = 0; j < n; j++) silu[j] *= u[j];
      to_out.write(i, n, silu);
    }
    to_gate.write(i, n, dgate_tile);
    to_up.write(i, n, dup_tile);
  });
}

}  // namespace qlora::QLORA_ISA
