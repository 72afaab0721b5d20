#include "cpu/update.h"

namespace qlora::QLORA_ISA {

void CpuOps::sgd(const TensorList& params, const TensorList& grads, const TensorList& buffers,
                 const OptionalTensor& norm, double max_norm, double lr, double momentum, double dampening,
                 bool nesterov, double weight_decay, bool first) {
  const bool has_buffers = !buffers.empty();
  const SgdRule rule(lr, momentum, dampening, nesterov, weight_decay, first || !has_buffers);
  const float factor = clip_factor_of(norm, max_norm);
  for (size_t t = 0; t < params.size(); t++) {
    const FloatView p_view(params[t]), g_view(grads[t]), m_view(has_buffers ? buffers[t] : params[t]);
    for_tiles(params[t].numel(), [&](int64_t i, int64_t n) {
      float g[kTile];
      UpdateTile<> p, m;
      p.load(p_view, i, n);
      load_gradient(g_view, factor, i, n, g);
      m.load(m_view, i, n);
      QLORA_INDEPENDENT
      for (int64_t j = 0; j < n; j++) rule.update(p.values[j], g[j], m.values[j]);
      p.store(p_view, i, n);
      if (has_buffers) m.store(m_view, i, n);
    });
  }
}

}  // namespace qlora::QLORA_ISA
