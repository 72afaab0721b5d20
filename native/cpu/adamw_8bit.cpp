#include "cpu/update.h"

namespace qlora::QLORA_ISA {

void CpuOps::adamw_8bit(const TensorList& params, const TensorList& grads, const TensorList& codes1,
                        const TensorList& absmax1, const TensorList& codes2, const TensorList& absmax2,
                        const Tensor& signed_map, const Tensor& unsigned_map, const OptionalTensor& norm,
                        double max_norm, double lr, double beta1, double beta2, double eps,
                        double weight_decay, int64_t step) {
  const Adamw8bitRule rule(lr, beta1, beta2, eps, weight_decay, step);
  const float factor = clip_factor_of(norm, max_norm);
  for (size_t t = 0; t < params.size(); t++) {
    const FloatView p_view(params[t]), g_view(grads[t]);
    const CodedMoment<true> first(codes1[t], absmax1[t], signed_map);
    const CodedMoment<false> second(codes2[t], absmax2[t], unsigned_map);
    for_state_blocks(params[t].numel(), [&](const StateBlock& block) {
      float g[kStateBlock], m[kStateBlock], v[kStateBlock];
      UpdateTile<kStateBlock> p;
      p.load(p_view, block.first, block.n);
      load_gradient(g_view, factor, block.first, block.n, g);
      first.load(block, m);
      second.load(block, v);
      for (int64_t j = 0; j < block.n; j++) rule.update(p.values[j], g[j], m[j], v[j]);
      p.store(p_view, block.first, block.n);
      first.store(block, m);
      second.store(block, v);
    });
  }
}

}  // namespace qlora::QLORA_ISA
