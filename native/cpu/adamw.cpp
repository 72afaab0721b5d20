#include "cpu/update.h"

namespace qlora::QLORA_ISA {

namespace {

template <typename Round>
void update(const AdamwRule& rule, float* p, const float* g, float* m, float* v, int64_t n, Round round) {
  QLORA_INDEPENDENT
  for (int64_t j = 0; j < n; j++) rule.update(p[j], g[j], m[j], v[j], round);
}

}  // namespace

void CpuOps::adamw(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                   const TensorList& exp_avg_sqs, const OptionalTensor& norm, double max_norm, double lr,
                   double beta1, double beta2, double eps, double weight_decay, int64_t step) {
  const AdamwRule rule(lr, beta1, beta2, eps, weight_decay, step);
  const float factor = clip_factor_of(norm, max_norm);
  for (size_t t = 0; t < params.size(); t++) {
    const FloatView p_view(params[t]), g_view(grads[t]), m_view(exp_avgs[t]), v_view(exp_avg_sqs[t]);
    const bool short_moments = exp_avgs[t].dtype == DType::bf16;
    for_tiles(params[t].numel(), [&](int64_t i, int64_t n) {
      float g[kTile];
      UpdateTile<> p, m, v;
      p.load(p_view, i, n);
      load_gradient(g_view, factor, i, n, g);
      m.load(m_view, i, n);
      v.load(v_view, i, n);
      if (short_moments)
        update(rule, p.values, g, m.values, v.values, n,
               [](float x) { return to_float(from_float<bf16_t>(x)); });
      else
        update(rule, p.values, g, m.values, v.values, n, [](float x) { return x; });
      p.store(p_view, i, n);
      m.store(m_view, i, n);
      v.store(v_view, i, n);
    });
  }
}

}  // namespace qlora::QLORA_ISA
