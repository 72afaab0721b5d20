#pragma once
#include "cuda/launch.cuh"

// Gated activations, as in cpu/gated.h: out = round(f(gate)) * up, f(g) = g * share(g); slope(g, s) is its
// derivative.
namespace qlora::cuda {

template <typename Activation>
void gated_forward(const Context& context, const Tensor& gate, const Tensor& up, const Tensor& out) {
  const View from_gate(gate), from_up(up), to(out);
  const int64_t n = gate.numel();
  launch_each8(context, n, [=] __device__(int64_t i) {
    float g[8], u[8];
    from_gate.load8(i, n, g);
    from_up.load8(i, n, u);
    for (int j = 0; j < 8; j++) u[j] *= rounded(from_gate.dtype, g[j] * Activation::share(g[j]));
    to.store8(i, n, u);
  });
}

template <typename Activation>
void gated_backward(const Context& context, const Tensor& dout, const Tensor& gate, const Tensor& up,
                    const Tensor& dgate, const Tensor& dup, const OptionalTensor& out) {
  const View grad(dout), from_gate(gate), from_up(up), to_gate(dgate), to_up(dup), to_out(out ? *out : dout);
  const bool has_out = out.has_value();
  const int64_t n = gate.numel();
  launch_each8(context, n, [=] __device__(int64_t i) {
    float d[8], g[8], u[8], h[8];
    grad.load8(i, n, d);
    from_gate.load8(i, n, g);
    from_up.load8(i, n, u);
    for (int j = 0; j < 8; j++) {
      const float s = Activation::share(g[j]);
      const float dg = d[j] * u[j] * Activation::slope(g[j], s);
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
