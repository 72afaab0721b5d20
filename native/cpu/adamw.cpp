#include <cmath>

#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

namespace {

/** torch.optim.AdamW's scalars: computed in double, used in float. */
struct Scalars {
  float decay, lerp1, beta2, lerp2, root2, eps, step_size;
};

/**
 * One tile, operation by operation as torch: with bfloat16 moments each result is rounded to bfloat16, with
 * float32 moments only the stored parameter is.
 */
void update(float* p, const float* g, float* m, float* v, int64_t n, const Scalars& s, DType moments) {
  float denominator[kTile];
  for (int64_t j = 0; j < n; j++) p[j] *= s.decay;
  round_to(moments, p, n);
  for (int64_t j = 0; j < n; j++) m[j] += s.lerp1 * (g[j] - m[j]);
  round_to(moments, m, n);
  for (int64_t j = 0; j < n; j++) v[j] *= s.beta2;
  round_to(moments, v, n);
  for (int64_t j = 0; j < n; j++) v[j] += s.lerp2 * g[j] * g[j];
  round_to(moments, v, n);
  for (int64_t j = 0; j < n; j++) denominator[j] = std::sqrt(v[j]);
  round_to(moments, denominator, n);
  for (int64_t j = 0; j < n; j++) denominator[j] /= s.root2;
  round_to(moments, denominator, n);
  for (int64_t j = 0; j < n; j++) denominator[j] += s.eps;
  round_to(moments, denominator, n);
  for (int64_t j = 0; j < n; j++) p[j] -= s.step_size * m[j] / denominator[j];
}

/** Elements [i, i + n) of a tensor that is updated in place; written back by `store`. */
struct Tile {
  float buffer[kTile];
  float* load(const FloatView& view, int64_t i, int64_t n) {
    load_row(view.read(i, n, buffer), buffer, n);
    return buffer;
  }
};

}  // namespace

void CpuOps::adamw(const Tensor& param, const Tensor& grad, const Tensor& exp_avg, const Tensor& exp_avg_sq,
                   double lr, double beta1, double beta2, double eps, double weight_decay, int64_t step) {
  double correction1 = 1 - std::pow(beta1, static_cast<double>(step));
  double correction2 = 1 - std::pow(beta2, static_cast<double>(step));
  Scalars s{static_cast<float>(1 - lr * weight_decay),
            static_cast<float>(1 - beta1),
            static_cast<float>(beta2),
            static_cast<float>(1 - beta2),
            static_cast<float>(std::sqrt(correction2)),
            static_cast<float>(eps),
            static_cast<float>(lr / correction1)};
  FloatView p_view(param), g_view(grad), m_view(exp_avg), v_view(exp_avg_sq);
  for_tiles(param.numel(), [&](int64_t i, int64_t n) {
    float g_buffer[kTile];
    Tile p_tile, m_tile, v_tile;
    float *p = p_tile.load(p_view, i, n), *m = m_tile.load(m_view, i, n), *v = v_tile.load(v_view, i, n);
    update(p, g_view.read(i, n, g_buffer), m, v, n, s, exp_avg.dtype);
    p_view.write(i, n, p);
    m_view.write(i, n, m);
    v_view.write(i, n, v);
  });
}

}  // namespace qlora::QLORA_ISA
