#pragma once
#include "cpu/tiles.h"
#include "cpu/vec_math.h"

// Gated activations: out = round(f(gate)) * up, f(g) = g * share(g). An Activation has share(g), and
// slope(g, s), the derivative of f, where s = share(g).
namespace qlora::QLORA_ISA {

template <typename Activation>
void gated_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {
  FloatView from_gate(gate), from_up(up), to(out);
  for_tiles(gate.numel(), [&](int64_t i, int64_t n) {
    float gate_buffer[kTile], up_buffer[kTile], active[kTile];
    const float* g = from_gate.read(i, n, gate_buffer);
    const float* u = from_up.read(i, n, up_buffer);
    for (int64_t j = 0; j < n; j++) active[j] = g[j] * Activation::share(g[j]);
    round_to(gate.dtype, active, n);
    for (int64_t j = 0; j < n; j++) active[j] *= u[j];
    to.write(i, n, active);
  });
}

template <typename Activation>
void gated_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate,
                    const Tensor& dup, const OptionalTensor& out) {
  FloatView grad(dout), from_gate(gate), from_up(up), to_gate(dgate), to_up(dup), to_out(out ? *out : dout);
  for_tiles(gate.numel(), [&](int64_t i, int64_t n) {
    float grad_buffer[kTile], gate_buffer[kTile], up_buffer[kTile], dgate_tile[kTile], dup_tile[kTile],
        active[kTile];
    const float* d = grad.read(i, n, grad_buffer);
    const float* g = from_gate.read(i, n, gate_buffer);
    const float* u = from_up.read(i, n, up_buffer);
    for (int64_t j = 0; j < n; j++) {
      float s = Activation::share(g[j]);
      dgate_tile[j] = d[j] * u[j] * Activation::slope(g[j], s);
      active[j] = g[j] * s;
      dup_tile[j] = d[j] * active[j];
    }
    if (out) {
      round_to(gate.dtype, active, n);
      for (int64_t j = 0; j < n; j++) active[j] *= u[j];
      to_out.write(i, n, active);
    }
    to_gate.write(i, n, dgate_tile);
    to_up.write(i, n, dup_tile);
  });
}

}  // namespace qlora::QLORA_ISA
