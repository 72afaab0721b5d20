#include "cpu/update.h"

namespace qlora::QLORA_ISA {

void CpuOps::lion(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                  const OptionalTensor& norm, double max_norm, double lr, double beta1, double beta2,
                  double weight_decay) {
  update_with_moment(params, grads, exp_avgs, norm, max_norm, LionRule(lr, beta1, beta2, weight_decay));
}

void CpuOps::lion_8bit(const TensorList& params, const TensorList& grads, const TensorList& codes,
                       const TensorList& absmax, const Tensor& signed_map, const OptionalTensor& norm,
                       double max_norm, double lr, double beta1, double beta2, double weight_decay) {
  const LionRule rule(lr, beta1, beta2, weight_decay);
  const float factor = clip_factor_of(norm, max_norm);
  for (size_t t = 0; t < params.size(); t++) {
    const FloatView p_view(params[t]), g_view(grads[t]);
    const CodedMoment<true> moment(codes[t], absmax[t], signed_map);
    for_state_blocks(params[t].numel(), [&](const StateBlock& block) {
      float g[kStateBlock], m[kStateBlock];
      UpdateTile<kStateBlock> p;
      p.load(p_view, block.first, block.n);
      load_gradient(g_view, factor, block.first, block.n, g);
      moment.load(block, m);
      for (int64_t j = 0; j < block.n; j++) rule.update(p.values[j], g[j], m[j]);
      p.store(p_view, block.first, block.n);
      moment.store(block, m);
    });
  }
}

}  // namespace qlora::QLORA_ISA
